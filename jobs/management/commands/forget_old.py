"""`manage.py forget_old`: deletes rows of every table that have been kept for long enough."""

from typing import Any

from django.core.management.base import BaseCommand

from jobs.services.retention.forget_old import forget_old
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Delete jobs, dead letters, webhooks, attempts, batches and receipts whose days are over."

    def handle(self, **_: Any) -> None:
        counts = forget_old(actor=actor())
        self.stdout.writelines(f"{rows:>9,}  {kind}\n" for kind, rows in counts.items())

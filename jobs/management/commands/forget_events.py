"""`manage.py forget_events --older-than-days N`: deletes old rows of the audit."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.services.access.audit import forget_events
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Delete audit events older than N days; a new event records the actor and the number of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than-days", type=int, required=True, metavar="N")

    def handle(self, **options: Any) -> None:
        days = options["older_than_days"]
        if days < 1:
            raise CommandError("--older-than-days must be a whole number above zero")
        self.stdout.write(f"{forget_events(older_than_days=days, actor=actor()):,} events were deleted.")

"""`manage.py forget_payloads`: deletes stored inputs, outputs and uploads that no row points at."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.services.retention.delete_objects import GRACE_H, forget_payloads


class Command(BaseCommand):
    help = "Delete stored objects older than the grace period that no job and no upload points at."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--grace-hours", type=int, default=GRACE_H, help="younger objects are kept")

    def handle(self, **options: Any) -> None:
        if options["grace_hours"] < 1:
            raise CommandError("--grace-hours must be a whole number above zero")
        self.stdout.write(f"{forget_payloads(grace_h=options['grace_hours']):,} objects were deleted.")

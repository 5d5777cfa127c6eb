"""`manage.py rotate_payload_keys`: encrypts payloads of older keys with the first of PAYLOAD_KEYS."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.services.retention.rotate_keys import NAMED, rotate_payload_keys
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = (
        "Encrypt payloads of older keys with the first key. First add the new key at the end of PAYLOAD_KEYS "
        "in every process; then put it first; then run this until it finds nothing; then remove the old key. "
        "You may interrupt it and run it again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="rows in a transaction, at most")
        parser.add_argument("--rate", type=float, help="rows a second, at most")

    def handle(self, **options: Any) -> None:
        if options["batch"] < 1 or (options["rate"] is not None and options["rate"] <= 0):
            raise CommandError("--batch and --rate must be above zero")
        try:
            rotated = rotate_payload_keys(actor=actor(), batch=options["batch"], rate=options["rate"])
        except PlatformError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{rotated.rows:,} of {rotated.looked_at:,} rows were encrypted again.")
        if rotated.unreadable:
            jobs = ", ".join(map(str, rotated.unreadable[:NAMED]))
            raise CommandError(
                f"{len(rotated.unreadable):,} rows cannot be read and were not changed: {jobs}"
            )

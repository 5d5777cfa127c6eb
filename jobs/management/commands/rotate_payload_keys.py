"""`manage.py rotate_payload_keys`: seal payloads of older keys again, under the first of PAYLOAD_KEYS."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.services.retention.rotate_keys import NAMED, rotate_payload_keys
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = (
        "Seal again the payloads of older keys. First add the new key to PAYLOAD_KEYS, at its end, of every "
        "process; then put it first; then run this until it finds nothing; then take the old key away. "
        "It may be interrupted and run again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="rows a transaction, at most")
        parser.add_argument("--rate", type=float, help="rows a second, at most")

    def handle(self, **options: Any) -> None:
        if options["batch"] < 1 or (options["rate"] is not None and options["rate"] <= 0):
            raise CommandError("--batch and --rate are above zero")
        try:
            rotated = rotate_payload_keys(actor=actor(), batch=options["batch"], rate=options["rate"])
        except PlatformError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{rotated.rows:,} rows were sealed again, of {rotated.looked_at:,} that were looked at."
        )
        if rotated.unreadable:
            named = ", ".join(map(str, rotated.unreadable[:NAMED]))
            raise CommandError(
                f"{len(rotated.unreadable):,} rows cannot be read and stay as they are: {named}"
            )

"""`manage.py rotate_payload_keys`: wraps clients' data keys again with the newest wrapping key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.services.retention.rotate_keys import NAMED, rotate_payload_keys
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = (
        "Wrap the clients' data keys with the first wrapping key; payloads stay as they are. First add the "
        "new key at the end of PAYLOAD_KEYS in every process; then put it first; then run this until it "
        "finds nothing; then remove the old key. You may interrupt it and run it again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="data keys in a page, at most")

    def handle(self, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("--batch must be above zero")
        try:
            rotated = rotate_payload_keys(actor=actor(), batch=options["batch"])
        except PlatformError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{rotated.rows:,} of {rotated.looked_at:,} data keys were wrapped again.")
        if rotated.unreadable:
            names = ", ".join(rotated.unreadable[:NAMED])
            raise CommandError(
                f"{len(rotated.unreadable):,} data keys cannot be read and were not changed: {names}"
            )

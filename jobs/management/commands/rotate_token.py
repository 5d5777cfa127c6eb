"""`manage.py rotate_token PREFIX`: creates a token's successor and prints it once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.management.one_token import add_token, token_of
from jobs.services.access.tokens import GRACE_HOURS, rotate_token
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Create a token's successor and print it; the old token works until the grace period ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_token(parser)
        parser.add_argument("--grace-hours", type=int, default=GRACE_HOURS, help="the grace period in hours")

    def handle(self, **options: Any) -> None:
        if options["grace_hours"] < 0:
            raise CommandError("--grace-hours must be a whole number, 0 or above")
        try:
            token = rotate_token(
                token_id=token_of(options), grace_hours=options["grace_hours"], actor=actor()
            )
            self.stdout.write(token)
        except PlatformError as error:
            raise CommandError(str(error)) from error

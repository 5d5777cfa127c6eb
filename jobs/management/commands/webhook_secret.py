"""`manage.py webhook_secret CLIENT`: creates a secret that signs a client's webhooks, and prints it once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import DatabaseUnusableError
from jobs.services.webhooks.secrets import GRACE_HOURS, make_secret
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Create a secret for a client's webhooks and print it; the old one works for the grace period."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("client", help="the client's name")
        parser.add_argument("--grace-hours", type=int, default=GRACE_HOURS, help="the grace period in hours")

    def handle(self, *, client: str, grace_hours: int, **_options: Any) -> None:
        if grace_hours < 0:
            raise CommandError("--grace-hours must be a whole number, 0 or above")
        try:
            secret = make_secret(client=client, actor=actor(), grace_hours=grace_hours)
        except DatabaseUnusableError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(secret)

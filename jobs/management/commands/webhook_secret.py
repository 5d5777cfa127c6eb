"""`manage.py webhook_secret CLIENT`: make a secret that signs a client's webhooks, and print it, once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.services.webhooks.secrets import GRACE_HOURS, make_secret
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Make a secret for a client's webhooks and print it; one before it works for the time of grace."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("client")
        parser.add_argument("--grace-hours", type=int, default=GRACE_HOURS)

    def handle(self, *, client: str, grace_hours: int, **_options: Any) -> None:
        if grace_hours < 0:
            raise CommandError("--grace-hours is a whole number, 0 or above")
        self.stdout.write(make_secret(client=client, actor=actor(), grace_hours=grace_hours))

"""`manage.py forget_events --older-than-days N`: the one way by which the audit lets go of old rows."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.services.access.audit import forget_events
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Delete events older than so many days; a new event says who did and how many they were."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than-days", type=int, required=True)

    def handle(self, **options: Any) -> None:
        days = options["older_than_days"]
        if days < 1:
            raise CommandError("--older-than-days is a whole number above zero")
        self.stdout.write(f"{forget_events(older_than_days=days, actor=actor()):,} events are gone.")

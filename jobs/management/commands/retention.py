"""`manage.py retention`: drops payloads after their retention, and creates partitions for the days ahead."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.services.retention.retain import AnotherRunError, PartitionVerdict, keep_retention
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Create partitions of payloads for the days ahead, drop expired ones, and print a verdict on each."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only print what would happen")

    def handle(self, **options: Any) -> None:
        try:
            verdicts = keep_retention(actor=actor(), dry_run=options["dry_run"])
        except AnotherRunError as error:
            raise CommandError("another run is in progress") from error
        self.stdout.write("day         kept  table              rows        bytes  fate   why")
        self.stdout.writelines(_line(verdict) for verdict in verdicts)


def _line(verdict: PartitionVerdict) -> str:
    leaf, window = verdict.leaf, verdict.leaf.window
    what = f"{window.date}  {window.keep_days:>4}  {leaf.table:<15}"
    return f"{what} {leaf.rows:>7,} {leaf.bytes:>12,}  {verdict.fate:<5}  {verdict.why}\n"

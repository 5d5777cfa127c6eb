"""`manage.py dead_letters list|show|replay|discard|purge-stale`: an operator's work on dead letters."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.management.dead_letters.dead_letter_actions import VERBS
from jobs.management.dead_letters.dead_letter_arguments import add_arguments


class Command(BaseCommand):
    help = "List, edit, replay and discard dead letters; the audit records each change and its actor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            self.stdout.write(VERBS[options["verb"]](options))
        except PlatformError as error:
            raise CommandError(str(error)) from error

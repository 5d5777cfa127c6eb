"""`manage.py rollouts start|list|show|pause|…|watch`: a version reaches all traffic, or goes back."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.management.rollouts.rollout_arguments import add_rollout_arguments
from jobs.management.rollouts.rollout_verbs import ROLLOUT_VERBS
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Start roll-outs, see how they stand and act on them; the audit records each act and its actor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_rollout_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            for line in ROLLOUT_VERBS[options["verb"]](options):
                self.stdout.write(line)
                self.stdout.flush()  # who watches through a pipe waits for each line
        except PlatformError as error:
            raise CommandError(str(error)) from error

"""`manage.py flags list|show|history|put|remove|preview`: for which jobs something is on."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.management.rollouts.flag_arguments import add_flag_arguments
from jobs.management.rollouts.flag_verbs import FLAG_VERBS
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Show, put, remove and try flags; `list --expired` exits with 1 where there are any."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_flag_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            printed = FLAG_VERBS[options["verb"]](options)
        except PlatformError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(printed.text)
        if printed.status:
            sys.exit(printed.status)

"""`manage.py act cancel|replay|discard|list|show|stop`: acts on all jobs that match, in the background."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.management.acting.act_arguments import add_act_arguments
from jobs.management.acting.act_verbs import ACT_VERBS


class Command(BaseCommand):
    help = "Cancel, replay or discard all jobs that match: count them, start, see how far it is, stop it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_act_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            self.stdout.write(ACT_VERBS[options["verb"]](options))
        except PlatformError as error:
            raise CommandError(str(error)) from error

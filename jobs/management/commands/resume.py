"""`manage.py resume KIND NAME`: lets the jobs of a paused model, version or client go on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.circuits.paused_work import PauseKind
from jobs.core.errors import PlatformError
from jobs.management.pause_order import add_target
from jobs.services.circuits.pause_work import resume
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Let the jobs of a paused model, version or client go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_target(parser)

    def handle(self, *, kind: str, name: str, **_options: Any) -> None:
        try:
            resume(kind=PauseKind(kind), name=name, actor=actor())
        except PlatformError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"the {kind} {name} goes on")

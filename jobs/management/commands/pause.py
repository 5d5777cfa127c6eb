"""`manage.py pause KIND NAME --reason WHY`: jobs of a model, a version or a client are taken and wait."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.circuits.paused_work import PauseKind
from jobs.core.errors import PlatformError
from jobs.management.pause_order import add_target
from jobs.services.circuits.pause_work import pause
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Let the jobs of a model, a version or a client wait: new ones are accepted, what runs goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_target(parser)
        parser.add_argument("--reason", required=True, help="shown with the pause, and kept in the audit")

    def handle(self, *, kind: str, name: str, reason: str, **_options: Any) -> None:
        try:
            name = pause(kind=PauseKind(kind), name=name, reason=reason, actor=actor())
        except PlatformError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"the {kind} {name} is paused")

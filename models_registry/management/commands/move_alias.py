"""Point a model's alias at one of its versions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from models_registry.management.actor import actor
from models_registry.management.move_wait import wait_for
from models_registry.services import move_alias
from models_registry.services.alias_moves import WAIT_S
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Point a model's alias at one of its versions: move_alias minilm default 2"

    def add_arguments(self, parser: CommandParser) -> None:
        for name in ("name", "alias", "version"):
            parser.add_argument(name, type=str, metavar=name.upper(), default="")
        parser.add_argument(
            "--now", action="store_true", help="do not wait until the workers have loaded the version"
        )
        parser.add_argument(
            "--wait-s", type=float, default=WAIT_S, help=f"seconds that this may take ({WAIT_S:g})"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            arguments = {name: options[name] for name in ("name", "alias", "version")}
            moved = move_alias(**arguments, actor=actor(), now=options["now"], wait_s=options["wait_s"])
        except PlatformError as error:
            raise CommandError(str(error)) from error
        wait_for(moved, self.stdout.write)
        self.stdout.write(f"{moved.info.model}@{options['alias']} points at {moved.info}.")

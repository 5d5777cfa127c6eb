"""Point a model's alias at one of its versions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from models_registry.management.actor import actor
from models_registry.services import move_alias
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Point a model's alias at one of its versions: move_alias minilm default 2"

    def add_arguments(self, parser: CommandParser) -> None:
        for name in ("name", "alias", "version"):
            parser.add_argument(name, type=str, metavar=name.upper(), default="")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            arguments = {name: options[name] for name in ("name", "alias", "version")}
            info = move_alias(**arguments, actor=actor())
        except PlatformError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{info.model}@{options['alias']} points at {info}.")

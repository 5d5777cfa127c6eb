"""`manage.py make_env NAME --requirements FILE`: an environment for `gpu_worker --env NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from models_registry.core.registry_errors import EnvironmentRefusedError
from models_registry.environments.make import make_env


class Command(BaseCommand):
    help = "Make an environment with libraries of its own, for `gpu_worker --env NAME`, unless it is there."
    requires_system_checks = []  # an image is built where there are no servers

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--requirements", type=Path, required=True, help="A file of hashed requirements.")

    def handle(self, *, name: str, requirements: Path, **_: Any) -> None:
        try:
            python = make_env(name, requirements, envs_dir=Path(settings.INFERENCE.envs_dir))
        except EnvironmentRefusedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(str(python))

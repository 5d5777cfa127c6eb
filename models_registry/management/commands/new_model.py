"""Write the folder of a new model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from models_registry.loaders.folder.starter import write_folder
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Write a folder with a model that works: new_model shout, then try_model ./shout."

    requires_system_checks: list[str] = []  # it writes files, and needs no servers

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the model's name, and the folder's")
        parser.add_argument(
            "--dir", type=Path, default=Path(), help="where the folder is made; default: here"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            folder = write_folder(options["dir"], options["name"])
        except PlatformError as error:
            raise CommandError(str(error)) from error
        shown = folder if folder.is_absolute() else f"./{folder}"
        self.stdout.write(
            f"{folder} is written: change model.py, then\n"
            f"  manage.py try_model {shown} --input @{shown}/example.json\n"
            f"  make up MODELS={shown}"
        )

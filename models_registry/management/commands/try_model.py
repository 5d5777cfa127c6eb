"""Run one input on a registered version here, without workers, queues or a stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from models_registry.loaders.trial import Tried
from models_registry.management.environment_option import (
    add_environment,
    enter_environment,
    enter_environment_of,
)
from models_registry.management.json_argument import json_or_file
from models_registry.services import try_folder, try_registered
from models_registry.services.register_folder import is_folder
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Run one input on a version, in a process of its own on the CPU, and print its output as JSON."

    requires_system_checks: list[str] = []  # a folder needs no servers; for a registered one see below

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="name, name:version, name@alias, or a folder: ./my_model")
        parser.add_argument("--input", required=True, type=json_or_file, help="the input: JSON, or @file")
        parser.add_argument("--parameters", default={}, type=json_or_file, help="JSON, or @file")
        parser.add_argument(
            "--load-limit-s", type=float, default=300.0, help="seconds that load and run may take (300)"
        )
        add_environment(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        if is_folder(options["model"]):
            enter_environment_of(Path(options["model"]), **options)
        else:
            enter_environment(**options)
        if not isinstance(options["parameters"], dict):
            raise CommandError("--parameters takes a JSON object.")
        asked = {"ref": options["model"], "value": options["input"], "parameters": options["parameters"]}
        try:
            run = try_folder if is_folder(options["model"]) else self._checked()
            tried = run(**asked, limit_s=options["load_limit_s"])
        except PlatformError as error:
            raise CommandError(str(error)) from error
        # Only the output goes to the standard output, so that another program can read it.
        if tried.printed:
            self.stderr.write(tried.printed)
        self.stderr.write(f"Loaded in {tried.load_s:.2f} s, ran in {tried.run_s:.4f} s.")
        self.stdout.write(json.dumps(tried.output, ensure_ascii=False))

    def _checked(self) -> Callable[..., Tried]:
        self.check()
        return try_registered

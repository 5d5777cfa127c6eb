"""Stage, retire, block or unblock a version."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from models_registry.core.refs import Ref
from models_registry.core.version_states import VersionVerb
from models_registry.management.actor import actor
from models_registry.services.change_version_state import change_state
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Move a version to another state: version_state minilm:2 block --reason 'wrong labels'"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ref", help="name:version")
        parser.add_argument("verb", choices=[verb.value for verb in VersionVerb])
        parser.add_argument("--reason", default="", help="why; needed to unblock")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            ref = Ref.parse(options["ref"])
            if not ref.version:
                raise CommandError("Name the version: name:version.")
            state = change_state(
                name=ref.name,
                version=ref.version,
                verb=options["verb"],
                actor=actor(),
                reason=options["reason"],
            )
        except PlatformError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{ref} is {state.value}.")

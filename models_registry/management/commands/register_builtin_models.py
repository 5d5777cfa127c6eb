"""Registers the models that come with the platform; to repeat it changes nothing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from models_registry.services import register_builtin_models


class Command(BaseCommand):
    help = "Register minilm, echo and sleeper, version 1, each with the alias default."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for info in register_builtin_models():
            self.stdout.write(f"{info} is registered.")

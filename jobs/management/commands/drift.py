"""`manage.py drift show|freeze|compare|purge|simulate`: whether jobs are like those at the promotion."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.management.drift.drift_arguments import add_drift_arguments
from jobs.management.drift.drift_verbs import DRIFT_VERBS
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Show the drift of a model's versions, give a version another reference, and purge a cache."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_drift_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            self.stdout.write(DRIFT_VERBS[options["verb"]](options))
        except PlatformError as error:
            raise CommandError(str(error)) from error

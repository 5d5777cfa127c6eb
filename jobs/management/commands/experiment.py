"""`manage.py experiment start|measure|conclude|reproduce`: a claim, its load tests, the verdict."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.loadtest.load_words import LoadWordError
from jobs.management.experiments.experiment_arguments import add_experiment_arguments
from jobs.management.experiments.experiment_verbs import VERBS
from jobs.management.loadtest.platform_calls import UnreachableError, UnusableTargetError
from models_registry.shared.platform_errors import PlatformError

USAGE_STATUS = 2


class Command(BaseCommand):
    help = "Record an experiment: a hypothesis, load tests of two arms, the verdict; run it again later."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_experiment_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            said = VERBS[options["verb"]](options)
        except (PlatformError, LoadWordError, UnusableTargetError, UnreachableError) as error:
            raise CommandError(str(error), returncode=USAGE_STATUS) from error
        for line in said.lines:
            self.stdout.write(line)
        if said.status:
            raise SystemExit(said.status)

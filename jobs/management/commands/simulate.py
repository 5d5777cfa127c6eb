"""`manage.py simulate`: try a setting or plan a fleet in virtual time, on the policy that the workers run."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.management.simulate.draw import draw
from jobs.management.simulate.runs import runs
from jobs.management.simulate.simulation_arguments import SimulationArguments, add_arguments
from jobs.management.simulate.simulation_table import show


class Command(BaseCommand):
    help = "Simulate queue and workers with made-up or recorded jobs; without --rate, a curve of loads."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        asked = SimulationArguments.of(options)
        try:
            found = list(runs(asked))
        except PlatformError as error:
            raise CommandError(str(error)) from error
        show(found)
        if asked.png:
            draw(found, Path(asked.png))

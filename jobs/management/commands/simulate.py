"""`manage.py simulate`: tries settings or plans a fleet in virtual time, with the product's own policies."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import ModelNotFoundError, NoHistoryError, PlatformError
from jobs.management.simulate.draw import draw
from jobs.management.simulate.runs import runs
from jobs.management.simulate.simulation_arguments import SimulationArguments, add_arguments
from jobs.management.simulate.simulation_table import show
from jobs.management.simulate.sources import NoSourceError

USAGE_STATUS = 2
USAGE = "%(prog)s [--rate N | --loads 0.5,0.9 | --csv FILE | --from-history MODEL] …; --help lists all"


class Command(BaseCommand):
    help = (
        "Simulate admission, queue and workers with generated or recorded jobs."
        " Without --rate, --csv and --from-history it runs a curve of loads."
    )
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, usage=USAGE, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        arguments = SimulationArguments.of(options)
        try:
            results = list(runs(arguments))
        except (ModelNotFoundError, NoHistoryError, NoSourceError) as error:
            raise CommandError(str(error), returncode=USAGE_STATUS) from error
        except PlatformError as error:
            raise CommandError(str(error)) from error
        show(results)
        if arguments.png:
            draw(results, Path(arguments.png))

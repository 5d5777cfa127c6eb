"""`manage.py loadtest`: sends a load at moments drawn before, and reports latency from those moments."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from jobs.core.loadtest.load_words import LoadWordError
from jobs.management.loadtest.comparison_table import compare_loads
from jobs.management.loadtest.load_arguments import USAGE, LoadArguments, add_load_arguments
from jobs.management.loadtest.load_progress import shown_progress
from jobs.management.loadtest.load_run import run_load
from jobs.management.loadtest.load_writer import WIDTH, check_folder, show_load, write_load
from jobs.management.loadtest.platform_calls import UnreachableError, UnusableTargetError

STATUS = {"good": 0, "missed": 1, "invalid": 3}
USAGE_STATUS, UNREACHABLE_STATUS = 2, 4


class Command(BaseCommand):
    help = (
        "Load a platform in an open loop, follow every job to its end, and say whether the goals are met."
        " Exit status 0: good, 1: a goal was missed, 2: a wrong option, 3: the figures are invalid,"
        " 4: nobody answers."
    )
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, usage=USAGE, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_load_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            status = self._status(options)
        except (LoadWordError, UnusableTargetError) as error:
            raise CommandError(str(error), returncode=USAGE_STATUS) from error
        except UnreachableError as error:
            raise CommandError(str(error), returncode=UNREACHABLE_STATUS) from error
        if status:
            raise SystemExit(status)

    def _status(self, options: dict[str, Any]) -> int:
        console = Console(stderr=True, markup=False)
        table = Console(width=max(WIDTH, Console().width), markup=False)  # the platform says some of it
        if options["compare"]:
            first, second = map(Path, options["compare"])
            return compare_loads(first, second, table)
        arguments = LoadArguments.of(options)
        if arguments.out:
            check_folder(arguments.out)
        with shown_progress(console) as watch:
            report = run_load(arguments, watch)
        show_load(report, table)
        if arguments.out:
            write_load(report, arguments.out)
        return STATUS[report.verdict]

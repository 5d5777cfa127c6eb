"""`manage.py tune`: from a goal to the settings of a model, its workers and the relay, by simulation."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from jobs.core.errors import PlatformError
from jobs.core.loadtest.load_words import LoadWordError
from jobs.core.tuning.bench import Effort
from jobs.core.tuning.tune_report import TuneReport
from jobs.management.loadtest.load_writer import WIDTH, check_folder
from jobs.management.tune.tune_arguments import USAGE, TuneArguments, add_tune_arguments
from jobs.management.tune.tune_run import TuneRun, run_tune
from jobs.management.tune.tune_writer import show_tune, write_tune
from jobs.management.tune.verify import check_verify, verify

USAGE_STATUS, INFEASIBLE_STATUS = 2, 1


class Command(BaseCommand):
    help = (
        "Search the settings with which a model takes the highest rate within a goal, by simulation with the"
        " times on record. Exit status 0: there are settings, 1: infeasible, 2: something is wrong."
    )
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, usage=USAGE, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tune_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            status = self._status(options)
        except (LoadWordError, PlatformError) as error:
            raise CommandError(str(error), returncode=USAGE_STATUS) from error
        if status:
            raise SystemExit(status)

    def _status(self, options: dict[str, Any]) -> int:
        arguments = TuneArguments.of(options)
        check_folder(arguments.out)
        check_verify(arguments)
        run = run_tune(arguments, Effort())
        _show(run, run.report, arguments)  # a verification takes minutes, and one that fails does not lose it
        if arguments.verify and run.report.asked is not None:
            _show(run, msgspec.structs.replace(run.report, verified=verify(run, arguments)), arguments)
        return INFEASIBLE_STATUS if run.report.verdict == "infeasible" else 0


def _show(run: TuneRun, report: TuneReport, arguments: TuneArguments) -> None:
    write_tune(run, report, arguments.out)
    show_tune(report, arguments.out, Console(width=max(WIDTH, Console().width), markup=False))

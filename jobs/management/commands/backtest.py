"""`manage.py backtest digits:2 --against 1 --label /digit`: run stored inputs under a version."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.management.backtesting import add_backtest_arguments, backtest_of, ended, written
from jobs.services.trials.backtests import start_backtest
from models_registry.management.actor import actor
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Have a worker run stored inputs under a version, beside its jobs, and compare it with another."

    def add_arguments(self, parser: CommandParser) -> None:
        add_backtest_arguments(parser)

    def handle(self, **options: Any) -> None:
        try:
            model, asked = backtest_of(options)
            trial = start_backtest(model=model, asked=asked, actor=actor())
            for line in written(ended(trial, limit_s=options["wait_s"]), options):
                self.stdout.write(line)
        except PlatformError as error:
            raise CommandError(str(error)) from error

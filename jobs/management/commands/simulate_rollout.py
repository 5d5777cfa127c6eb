"""`manage.py simulate_rollout`: how often the judge of roll-outs errs, and how soon it decides."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.management.simulate_rollout.rollout_picture import draw_rollout
from jobs.management.simulate_rollout.rollout_runs import run_rollouts, summed_up
from jobs.management.simulate_rollout.rollout_words import lines_of
from jobs.management.simulate_rollout.simulated_rollout_arguments import (
    RolloutArguments,
    add_rollout_arguments,
)


class Command(BaseCommand):
    help = "Simulate roll-outs in virtual time with the judge's own tests: no server, no database."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_rollout_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        arguments = RolloutArguments.of(options)
        try:
            ends = run_rollouts(arguments.scenario(), arguments.runs, arguments.seed)
        except PlatformError as error:
            raise CommandError(str(error)) from error
        report = summed_up(ends)
        lines = [json.dumps(report.document)] if arguments.json else lines_of(report)
        self.stdout.write("\n".join(lines))
        if arguments.picture:
            draw_rollout(ends[0], Path(arguments.picture))

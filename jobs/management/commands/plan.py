"""`manage.py plan FILE.toml`: workers by model, zone and hour for a forecast, and their cost."""

from __future__ import annotations

import random
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from jobs.core.planning.fleet_planner import plan_fleet
from jobs.core.planning.hour_allocation import InfeasiblePlanError
from jobs.core.planning.plan_reader import PlanFileError, read_plan
from jobs.core.simulation.arrivals import Chance
from jobs.management.plan.plan_sources import read_document, stored_model
from jobs.management.plan.plan_writer import WIDTH, show_plan, write_plan

INFEASIBLE_STATUS, USAGE_STATUS = 1, 2


class Command(BaseCommand):
    help = (
        "Plan workers by model, zone and hour for a forecast. Exit status 0: the plan holds, 1: a goal cannot"
        " be met or a part of the platform is too small, 2: the file names something wrong."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE.toml", type=Path, help="See compose/plan.example.toml.")
        parser.add_argument("--out", metavar="FOLDER", type=Path, help="Write plan.json and plan.png there.")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            plan = plan_fleet(read_plan(read_document(options["file"]), stored_model), _chance)
            if options["out"]:
                write_plan(plan, options["out"])
        except (PlanFileError, OSError) as error:
            raise CommandError(str(error), returncode=USAGE_STATUS) from error
        except InfeasiblePlanError as error:
            raise CommandError(f"infeasible: {error}", returncode=INFEASIBLE_STATUS) from error
        show_plan(plan, Console(width=max(WIDTH, Console().width), markup=False))
        if plan.verdict != "holds":
            raise SystemExit(INFEASIBLE_STATUS)


def _chance(seed: int) -> Chance:
    return random.Random(seed).random  # noqa: S311  # it must be repeatable, not secret

"""What traces cost a job: off, with one job in a hundred, and with every job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from statistics import median

import django

from tests.benchmarks.figure import Figure, at_most
from tests.support.services import use_placeholders

JOB_US = 260.0  # CPU of a job in all processes, see `drain`
GOALS_PERCENT = {"off": 1.0, "1 % sampled": 3.0}


def measure() -> Iterator[Figure]:
    use_placeholders()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
    django.setup()
    from tests.benchmarks import traced_road

    for name, values in traced_road.rounds().items():
        low, middle, high = sorted(values)[2], median(values), sorted(values)[-3]
        yield Figure(f"traces {name}", f"{middle:.2f} us a job ({low:.2f} to {high:.2f})")
        percent, goal = 100 * middle / JOB_US, GOALS_PERCENT.get(name)
        what = f"traces {name}, of a job's CPU of {JOB_US:g} us"
        yield at_most(what, percent, goal, "%") if goal else Figure(what, f"{percent:.3g} %")

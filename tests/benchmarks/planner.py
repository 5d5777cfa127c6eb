"""`manage.py plan`: how long a day of 1,000 devices takes, and a day of 50 beside the simulation of all 50.

The full simulation takes each hour with all its workers at its busiest minute, as many batches long as the
times of the product need to be learned and measured; a whole day of single jobs would take a week here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from math import cos, pi
from typing import Any

from jobs.core.planning.batch_recursion import BatchRecursion
from jobs.core.planning.critical_minutes import SimulatedCrew, simulated
from jobs.core.planning.fleet_planner import plan_fleet
from jobs.core.planning.plan_file import PlanInput
from jobs.core.planning.plan_reader import StoredModel, read_plan
from jobs.core.planning.worker_need import WorkerNeeds
from jobs.core.simulation.arrivals import Chance
from tests.benchmarks.figure import Figure, at_most

HOURS = 24
MANY, FEW = 1_000, 50


def measure() -> Iterator[Figure]:
    yield from _thousand()
    yield from _fifty()


def _thousand() -> Iterator[Figure]:
    plan = _document(MANY, fixed_s=0.012, per_job_s=0.0011, max_batch=64, p95_goal_s=0.25)
    began = time.perf_counter()
    report = plan_fleet(plan, _chance)
    took_s = time.perf_counter() - began
    jobs = 3600.0 * sum(plan.rates["model"])
    devices = max(one.total for one in report.groups[0].hours)
    where = f"a day of {devices:,} devices and {jobs:.1e} jobs"
    yield at_most(f"{where}: planned in", took_s, 120, "s")
    yield Figure("the same: simulated jobs", f"{sum(one.jobs for one in report.critical):,}")


def _fifty() -> Iterator[Figure]:
    plan = _document(FEW, fixed_s=0.1, per_job_s=0.02, max_batch=16, p95_goal_s=0.55)
    needs = WorkerNeeds(plan, BatchRecursion(_chance, plan.seed, plan.overheads))
    report = plan_fleet(plan, _chance)
    hours = report.groups[0].hours
    devices = max(one.total for one in hours)
    ratios = [
        one.p95_ms["model"] / 1e3 / _full_p95_s(needs, one.hour, one.total) for one in hours[: HOURS // 2 + 1]
    ]
    worst = max(ratios, key=lambda ratio: abs(ratio - 1.0))
    what = f"a day of {devices} devices beside the simulation of all of them"
    yield at_most(f"{what}: p95, the worst of {len(ratios)} hours off by", 100 * abs(worst - 1.0), 10, "%")
    fewest = _fewest(needs, HOURS // 2, hours[HOURS // 2].total)
    off = 100 * abs(hours[HOURS // 2].total / fewest - 1.0)
    yield at_most(
        f"{what}: workers at the peak, {hours[HOURS // 2].total} beside {fewest}, off by", off, 10, "%"
    )


def _fewest(needs: WorkerNeeds, hour: int, planned: int) -> int:
    """Return the fewest workers that meet the goal and the load in the full simulation."""
    workers = planned
    while _holds(needs, hour, workers - 1):
        workers -= 1
    while not _holds(needs, hour, workers):
        workers += 1
    return workers


def _holds(needs: WorkerNeeds, hour: int, workers: int) -> bool:
    plan = needs.plan
    load = needs.foretell("device", {"model": plan.rates["model"][hour]}, workers).load
    return load <= plan.most_load and _full_p95_s(needs, hour, workers) <= plan.models["model"].p95_goal_s


def _full_p95_s(needs: WorkerNeeds, hour: int, workers: int) -> float:
    rates = {"model": needs.plan.rates["model"][hour]}
    crew = SimulatedCrew(workers, most_jobs=1_000_000)
    return simulated(needs, "device", rates, workers, _chance(hour + 7), crew=crew).p95_s["model"]


def _document(devices: int, **model: Any) -> PlanInput:
    """Return a day whose rate swings, and at noon fills `devices` devices to the load that is allowed."""
    size, fixed_s, per_job_s = model["max_batch"], model["fixed_s"], model["per_job_s"]
    peak_per_s = 0.8 * devices * size / (fixed_s + per_job_s * size)
    rates = [peak_per_s * (0.6 - 0.4 * cos(2 * pi * hour / HOURS)) for hour in range(HOURS)]
    return read_plan(
        {
            "zones": ["a", "b", "c"],
            "devices": {"device": {"price_per_h": 1.0, "memory_gib": 24}},
            "models": {"model": {"memory_gib": 2, "arrivals_per_s": rates, **model}},
        },
        _no_history,
    )


def _no_history(name: str) -> StoredModel:
    raise NotImplementedError(name)


def _chance(seed: int) -> Chance:
    return random.Random(seed).random

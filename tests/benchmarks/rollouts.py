"""The judge of roll-outs in virtual time: a thousand roll-outs of each case, some hours on one core.

ROLLOUTS_RUNS sets another number; with 100 it takes a tenth.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

from msgspec.structs import replace

from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import RolloutState
from models_registry.core.rollouts.simulation.rollout_cases import (
    DRIFT_UNDER_LAG,
    GOOD_CASES,
    IN_FLIGHT,
    POWER_TABLE,
    VOLUMES,
    PowerRow,
    power_scenario,
    volume_scenario,
)
from models_registry.core.rollouts.simulation.scenario import RolloutScenario
from models_registry.core.rollouts.simulation.virtual_rollout import VirtualEnd, VirtualRollout
from tests.benchmarks.figure import Figure, at_least, at_most

RUNS = int(os.environ.get("ROLLOUTS_RUNS", "1000"))
SLOW_ROW = 5  # at 5 % a run takes thousands of jobs: a fifth of the runs
WITHIN = 1.15
LARGE = 10**9
DAILY = (1_000, 10_000, 100_000, 1_000_000)


def measure() -> Iterator[Figure]:
    yield from _good()
    yield from _power()
    yield from _volumes()
    yield from _proven()
    yield from _budgets()


def _ends(scenario: RolloutScenario, runs: int, *, until_proven: bool = False) -> list[VirtualEnd]:
    return [
        VirtualRollout(scenario, random.Random(seed).random, stops_when_proven=until_proven).run()
        for seed in range(runs)
    ]


def _rolled_back(ends: list[VirtualEnd]) -> float:
    return 100 * sum(end.state is RolloutState.ROLLED_BACK for end in ends) / len(ends)


def _good() -> Iterator[Figure]:
    for name, scenario in GOOD_CASES.items():
        ends = _ends(scenario, RUNS)
        yield at_most(f"A/A, {name}: rolled back, of {RUNS:,} runs", _rolled_back(ends), 1, "%")
    part = _rolled_back(_ends(DRIFT_UNDER_LAG, RUNS))
    yield Figure(f"A/A, drift while verdicts lag (not exact), of {RUNS:,}", f"{part:.2g} %")
    for name, scenario in IN_FLIGHT.items():
        part = _rolled_back(_ends(scenario, max(1, RUNS // SLOW_ROW)))
        yield at_most(f"A/A, {name}: rolled back", part, 1, "%")


def _power() -> Iterator[Figure]:
    for row in POWER_TABLE:
        runs = max(1, RUNS // SLOW_ROW) if row.errors > 0.01 else RUNS
        median, most = _met(_ends(power_scenario(row), runs))
        what = f"stable {row.errors:.1%}, +{100 * row.worse:g} pp: jobs until the roll-back"
        yield at_most(f"{what}, median", median, _limit(row.median))
        yield at_most(f"{what}, 9 in 10", most, _limit(row.nine_of_ten))
        as_built = _met(_ends(power_scenario(row, as_built=True), max(1, runs // SLOW_ROW)))
        yield Figure(
            f"{what}, with a baseline arm and a sampled stable side", "{:,} / {:,}".format(*as_built)
        )


def _limit(jobs: int) -> float:
    return round(max(jobs + 1, WITHIN * jobs))


def _met(ends: list[VirtualEnd]) -> tuple[int, int]:
    met = sorted(end.met for end in ends)
    return met[len(met) // 2], met[min(len(met) - 1, len(met) * 9 // 10)]


def _volumes() -> Iterator[Figure]:
    for errors, daily, jobs_a_look in VOLUMES:
        ends = _ends(volume_scenario(errors, daily, jobs_a_look), max(1, RUNS // SLOW_ROW))
        what = f"stable {errors:.1%}, {daily:,} jobs a day, +1 pp: rolled back inside the budget"
        yield at_least(what, _rolled_back(ends), 90, "%")


def _proven() -> Iterator[Figure]:
    for row in (PowerRow(errors, 0.01, 0, 0, 1_000 if errors > 0.01 else 100) for errors, *_ in VOLUMES):
        runs = max(1, RUNS // SLOW_ROW) if row.errors > 0.01 else RUNS
        ends = _ends(power_scenario(row), runs, until_proven=True)
        part = 100 * sum(end.proven for end in ends) / len(ends)
        yield at_most(f"stable {row.errors:.1%}: proven though 1 pp worse, of {runs:,}", part, 10, "%")


def _budgets() -> Iterator[Figure]:
    for daily in DAILY:
        scenario = volume_scenario(0.01, daily, worse=0.0)
        scenario = replace(scenario, plan=Plan(steps=(25, 100)))
        ends = _ends(scenario, max(1, RUNS // SLOW_ROW), until_proven=True)
        above = sum(end.over_budget > end.last_tick for end in ends)
        most = max(end.over_budget for end in ends)
        what = f"{daily:,} jobs a day, budget {ends[0].budget:,}: runs that met more than it and one tick"
        yield at_most(f"{what}; at most {most} jobs above", above, 0)

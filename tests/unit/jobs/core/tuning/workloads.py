"""Workloads for the tests of the tuner, and a bench that asks the simulator here."""

from __future__ import annotations

import random
from typing import Any

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.arrivals import Chance
from jobs.core.simulation.plan import Overheads, Timing
from jobs.core.tuning.bench import Bench, Effort
from jobs.core.tuning.evaluation import answer
from jobs.core.tuning.workload import DrawnTrace, Workload

SMALL = Effort(
    candidates=12, screen_jobs=80, replications=3, jobs=150, fresh_replications=4, fresh_jobs=300, step=0.05,
    goals=10.0,
)  # fmt: skip
GOAL = LoadGoal(95.0, 0.2)


def chance_of(seed: int) -> Chance:
    return random.Random(seed).random


def workload(run: Timing, sizes: tuple[int, ...] = (1,), **limits: Any) -> Workload:
    mean = sum(sizes) / len(sizes)
    own = BatchLimits(p95_goal_s=GOAL.limit_s, **limits)
    return Workload(run, DrawnTrace(chance_of, sizes), chance_of, own, Overheads(0.001), mean)


def bench_of(own: Workload, *, goal: LoadGoal = GOAL, workers: int = 1, effort: Effort = SMALL) -> Bench:
    return Bench(own, goal, workers, effort, lambda questions: [answer(own, goal, q) for q in questions])

"""All settings of a workload, tried with the tuner's own simulator, replications and steps.

Left out is only what cannot win: the search begins with a setting that the tuner found, and a setting's rate
is searched only where that meets the goal at the best rate so far. What it would cost without this is
estimated from a sample of settings; TUNER_ALL=1 searches every rate.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context

from jobs.core.tuning.bench import STABLE, Bench, Effort
from jobs.core.tuning.evaluation import Estimated, Question
from jobs.core.tuning.search import sustained
from jobs.core.tuning.setting_space import TunedSetting
from jobs.management.tune.tune_processes import collect_rarely, collected
from tests.benchmarks.tuned_workloads import TunedWorkload, tuned_workload

EFFORT = Effort(
    candidates=24, screen_jobs=150, replications=4, jobs=300, fresh_replications=8, fresh_jobs=600,
    goals=10.0, longer=4.0,
)  # fmt: skip
NEARLY = 0.8  # of the capacity: there the search for a rate begins
SAMPLE, ROUND = 6, 8  # settings whose whole search is run for its cost, and tried against one best rate


@dataclass(frozen=True, slots=True)
class Brute:
    """The best of all settings, the jobs simulated for it, and those of a search that leaves out nothing."""

    setting: TunedSetting
    ran_jobs: int
    whole_jobs: int
    pruned_of_whole: float


def simulators() -> ProcessPoolExecutor:
    """Return processes for simulations, one a core."""
    return ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn"), collect_rarely)


def brute_force(number: int, tuned: TunedSetting, pool: Executor) -> Brute:
    """Try all settings, beginning with the tuner's; those that cannot reach the best rate are left out."""
    own = _own(number)
    settings = list(own.space)
    able = {one: STABLE * own.workload.most_per_s(one, own.workers) for one in settings}
    best, (rate, jobs) = tuned, pool.submit(rate_of, number, tuned).result()
    order = sorted(settings, key=lambda setting: -able[setting])
    for first in range(0, len(order), ROUND):
        few = [one for one in order[first : first + ROUND] if able[one] > rate]
        rows = dict(zip(few, pool.map(partial(rate_of, number, above=rate), few), strict=True))
        jobs += sum(jobs for _, jobs in rows.values())
        best, rate = _better(best, rate, rows)
    whole = settings if os.environ.get("TUNER_ALL") else random.Random(number).sample(settings, SAMPLE)
    rows = dict(zip(whole, pool.map(partial(rate_of, number), whole), strict=True))
    whole_jobs = sum(jobs for _, jobs in rows.values()) * len(settings) // len(whole)
    setting, highest = _better(best, rate, rows)
    return Brute(setting, jobs, whole_jobs, rate / highest)


def _better(
    best: TunedSetting, rate: float, rows: Mapping[TunedSetting, tuple[float, int]]
) -> tuple[TunedSetting, float]:
    for setting, (its, _) in rows.items():
        if its > rate:
            best, rate = setting, its
    return best, rate


def rate_of(number: int, setting: TunedSetting, above: float = 0.0) -> tuple[float, int]:
    """Return the highest rate of a setting, 0 where it does not meet the goal at `above`, and the jobs."""
    bench = bench_of(_own(number))
    if above and not bench.meets(bench.measure([setting], [above])[0]):
        return 0.0, bench.simulated
    best = sustained(setting, above or NEARLY * bench.most_per_s(setting), bench)
    return (best.rate_per_s if best else 0.0), bench.simulated


@lru_cache(maxsize=1)
def _own(number: int) -> TunedWorkload:
    """Return a workload, which keeps the jobs that it has drawn."""
    return tuned_workload(number)


def bench_of(own: TunedWorkload) -> Bench:
    """Return a bench that simulates in this process."""
    return Bench(own.workload, own.goal, own.workers, EFFORT, partial(_answers, own))


def _answers(own: TunedWorkload, questions: Sequence[Question]) -> list[Estimated]:
    return [collected(own.workload, own.goal, one) for one in questions]

"""The tuner against all settings, on twelve seeded workloads: what it finds, what it costs, whether it lies.

Throughput is the highest rate at which the upper 95 % bound of p95 is within the goal. Brute force searches
it for every setting with the same simulator, replications and steps as the tuner does for its few. Both
winners are then measured again with random numbers that neither has seen. Optuna's TPE sampler, the rival,
gets as many simulated jobs as the tuner took, and the same search of a setting's rate.

TUNER_WORKLOADS=0,1,2 runs some of them; what was measured is kept in `.run/tuner.json`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from inference_site.stack.services import PROJECT
from jobs.core.tuning.bench import Bench, Effort
from jobs.core.tuning.evaluation import Question, answer
from jobs.core.tuning.search import sustained
from jobs.core.tuning.setting_space import AXES, TunedSetting
from jobs.core.tuning.tune import Tuned, tune
from jobs.core.tuning.workload import DrawnTrace
from jobs.management.tune.tune_processes import processes
from tests.benchmarks.environment import python_with
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.tuned_workloads import WORKLOADS, TunedWorkload, tuned_workload

EFFORT = Effort(
    candidates=24, screen_jobs=150, replications=4, jobs=300, fresh_replications=8, fresh_jobs=600,
    goals=10.0, longer=4.0,
)  # fmt: skip
NEAR, SHARE, LIMIT_S, AT_LEAST = 0.95, 0.1, 60.0, 11 / 12
NEARLY = 0.8  # of the capacity: there the search for a rate begins
LONG_JOBS, UNSEEN = 20_000, 5_000
KEPT = PROJECT / ".run" / "tuner.json"
PINS = Path(__file__).parent / "rivals" / "optuna.txt"


@dataclass(frozen=True, slots=True)
class Compared:
    """What was measured of one workload: rates a second as judged, simulated jobs, seconds, ratios."""

    number: int
    words: str
    brute_per_s: float
    tuned_per_s: float
    optuna_per_s: float
    brute_jobs: int
    tuned_jobs: int
    took_s: float
    bound_of_goal: float
    truth_of_bound: float
    brute_setting: str
    tuned_setting: str


def measure() -> Iterator[Figure]:
    numbers = [int(word) for word in os.environ.get("TUNER_WORKLOADS", "").split(",") if word]
    compared = [_kept(number) for number in numbers or WORKLOADS]
    near = [one.tuned_per_s / one.brute_per_s for one in compared]
    count = sum(share >= NEAR for share in near)
    yield at_least(
        f"of {len(compared)} workloads, within 5 % of brute force's throughput", count, AT_LEAST * len(near)
    )
    yield Figure("the tuner's throughput over brute force's", ", ".join(f"{share:.3f}" for share in near))
    shares = [one.tuned_jobs / one.brute_jobs for one in compared]
    yield at_most("simulated jobs over brute force's, worst", max(shares), SHARE)
    yield at_most(
        "the same, all together",
        sum(o.tuned_jobs for o in compared) / sum(o.brute_jobs for o in compared),
        SHARE,
    )
    yield at_most("seconds of a tuning, worst", max(one.took_s for one in compared), LIMIT_S, "s")
    yield at_most("upper 95 % bound over the goal, worst", max(one.bound_of_goal for one in compared), 1.0)
    above = sum(one.truth_of_bound > 1.0 for one in compared)
    yield Figure("p95 of a fresh long trace above the bound", f"{above} of {len(compared)} workloads")
    rival = [one.optuna_per_s / one.brute_per_s for one in compared]
    yield Figure(
        "Optuna's throughput over brute force's, same jobs", ", ".join(f"{share:.3f}" for share in rival)
    )


def _kept(number: int) -> Compared:
    """Return what was measured of a workload before, or measure it now."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if str(number) not in kept:
        kept[str(number)] = asdict(_compare(number))
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1))
    return Compared(**kept[str(number)])


def _compare(number: int) -> Compared:
    own = tuned_workload(number)
    brute, brute_jobs = _brute(number, own)
    with processes(own.workload, own.goal) as ask:
        started = time.perf_counter()
        bench = Bench(own.workload, own.goal, own.workers, EFFORT, ask)
        outcome = tune(own.space, bench, random.Random(number).random, None)
        took_s, jobs = time.perf_counter() - started, bench.simulated
    assert isinstance(outcome, Tuned), outcome
    highest = outcome.highest
    optuna = _optuna(own, jobs)
    return Compared(
        number=number,
        words=str(own),
        brute_per_s=_judged(own, brute),
        tuned_per_s=_judged(own, outcome.setting),
        optuna_per_s=_judged(own, optuna),
        brute_jobs=brute_jobs,
        tuned_jobs=jobs,
        took_s=took_s,
        bound_of_goal=highest.upper_s / own.goal.limit_s,
        truth_of_bound=_truth_s(own, highest.question) / highest.upper_s,
        brute_setting=str(brute),
        tuned_setting=str(outcome.setting),
    )


def _brute(number: int, own: TunedWorkload) -> tuple[TunedSetting, int]:
    """Return the best of all settings, and the jobs that it took to find it."""
    settings = list(own.space)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        rows = list(pool.map(_rate_of, [number] * len(settings), settings, chunksize=4))
    rates = {setting: rate for setting, (rate, _) in zip(settings, rows, strict=True)}
    return max(settings, key=rates.__getitem__), sum(jobs for _, jobs in rows)


def _rate_of(number: int, setting: TunedSetting) -> tuple[float, int]:
    bench = _bench(tuned_workload(number))
    best = sustained(setting, NEARLY * bench.most_per_s(setting), bench)
    return (best.rate_per_s if best else 0.0), bench.simulated


def _bench(own: TunedWorkload) -> Bench:
    return Bench(
        own.workload, own.goal, own.workers, EFFORT,
        lambda questions: [answer(own.workload, own.goal, one) for one in questions],
    )  # fmt: skip


def _judged(own: TunedWorkload, setting: TunedSetting) -> float:
    """Return the highest rate of a setting by random numbers that no search has seen."""
    other = _unseen(own)
    bench = _bench(other)
    bench.effort = replace(EFFORT, replications=8, jobs=800)
    best = sustained(setting, NEARLY * bench.most_per_s(setting), bench)
    return best.rate_per_s if best else 0.0


def _unseen_chance(seed: int) -> random.Random:
    return random.Random(f"unseen {seed}")


def _unseen(own: TunedWorkload) -> TunedWorkload:
    trace = own.workload.trace
    assert isinstance(trace, DrawnTrace)
    chance = lambda seed: _unseen_chance(seed).random  # noqa: E731  # it stays in this process
    fresh = replace(own.workload, chance_of=chance, trace=DrawnTrace(chance, trace.sizes))
    return replace(own, workload=fresh)


def _truth_s(own: TunedWorkload, question: Question) -> float:
    """Return p95 of one long trace of random numbers that no search has seen."""
    other = _unseen(own)
    asked = Question(question.setting, question.rate_per_s, question.workers, 1, LONG_JOBS, UNSEEN)
    return answer(other.workload, own.goal, asked).latency_s


def _optuna(own: TunedWorkload, most_jobs: int) -> TunedSetting:
    """Return the best setting that Optuna's sampler finds within so many simulated jobs."""
    axes: Sequence[Sequence[int]] = [getattr(own.space, axis) for axis in AXES]
    words = [
        python_with("optuna", PINS),
        "tests/benchmarks/rivals/suggestions.py",
        "1",
        *map(str, map(len, axes)),
    ]
    bench, rates = _bench(own), dict[TunedSetting, float]()
    with subprocess.Popen(
        words, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while bench.simulated < most_jobs:
            steps = json.loads(process.stdout.readline())
            setting = TunedSetting(*(axis[step] for axis, step in zip(axes, steps, strict=True)))
            if setting not in rates:
                best = sustained(setting, NEARLY * bench.most_per_s(setting), bench)
                rates[setting] = best.rate_per_s if best else 0.0
            process.stdin.write(f"{rates[setting]}\n")
            process.stdin.flush()
        process.stdin.close()
    return max(rates, key=rates.__getitem__)

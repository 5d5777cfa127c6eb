"""The tuner against all settings, on twelve seeded workloads: what it finds, costs and promises.

Throughput is the highest rate at which the upper 95 % bound of p95 is within the goal. Brute force tries
every setting with the same simulator, replications and steps. All winners are then measured again with random
numbers that none has seen. Optuna's TPE sampler, the rival, gets as many simulated jobs as the tuner took,
and the same search of a setting's rate.

TUNER_WORKLOADS=0,1,2 runs some of them; what was measured is kept in `.run/tuner.json`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from inference_site.stack.services import PROJECT
from jobs.core.tuning.bench import Bench, Effort
from jobs.core.tuning.evaluation import Question, answer
from jobs.core.tuning.search import sustained
from jobs.core.tuning.setting_space import AXES, TunedSetting
from jobs.core.tuning.tune import Tuned, tune
from jobs.core.tuning.workload import DrawnTrace
from jobs.management.tune.tune_processes import processes
from tests.benchmarks.brute_force import EFFORT, NEARLY, bench_of, brute_force, simulators
from tests.benchmarks.environment import python_with
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.tuned_workloads import WORKLOADS, TunedWorkload, tuned_workload

NEAR, SHARE, LIMIT_S, AT_LEAST = 0.95, 0.1, 60.0, 11 / 12
LONG_JOBS, UNSEEN = 20_000, 5_000
KEPT = PROJECT / ".run" / "tuner.json"
PINS = Path(__file__).parent / "rivals" / "optuna.txt"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a tuning found and cost: wall and CPU seconds, its processes' start included."""

    outcome: Tuned
    jobs: int
    took_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Compared:
    """What was measured of one workload: rates a second as judged, simulated jobs, seconds, ratios.

    `own_` is of a tuning with the effort of the command, the other one has the effort of brute force.
    `pruned_of_whole` is below 1 where a search without leaving out found a higher rate than the other.
    """

    number: int
    words: str
    brute_per_s: float
    tuned_per_s: float
    optuna_per_s: float
    own_per_s: float
    brute_jobs: int
    brute_ran_jobs: int
    pruned_of_whole: float
    tuned_jobs: int
    own_jobs: int
    took_s: float
    cpu_s: float
    own_took_s: float
    own_cpu_s: float
    bound_of_goal: float
    truth_of_bound: float
    own_truth_of_bound: float
    brute_setting: str
    tuned_setting: str
    own_setting: str


def measure() -> Iterator[Figure]:
    numbers = [int(word) for word in os.environ.get("TUNER_WORKLOADS", "").split(",") if word]
    compared = [_kept(number) for number in numbers or WORKLOADS]
    near = [one.tuned_per_s / one.brute_per_s for one in compared]
    yield at_least(
        f"of {len(compared)} workloads, within 5 % of brute force's throughput",
        sum(share >= NEAR for share in near),
        AT_LEAST * len(near),
    )
    yield _ratios("the tuner's throughput over brute force's", near)
    yield _ratios("the same with the command's effort", [o.own_per_s / o.brute_per_s for o in compared])
    shares = [one.tuned_jobs / one.brute_jobs for one in compared]
    yield at_most("simulated jobs over brute force's, worst", max(shares), SHARE)
    jobs = sum(o.tuned_jobs for o in compared) / sum(o.brute_jobs for o in compared)
    yield at_most("the same, all together", jobs, SHARE)
    yield from _costs(compared)
    yield at_most("upper 95 % bound over the goal, worst", max(one.bound_of_goal for one in compared), 1.0)
    above = sum(one.truth_of_bound > 1.0 for one in compared)
    yield Figure("p95 of a fresh long trace above the bound", f"{above} of {len(compared)} workloads")
    yield _ratios("p95 of a fresh long trace over the bound", [one.truth_of_bound for one in compared])
    yield _ratios("the same with the command's effort", [one.own_truth_of_bound for one in compared])
    rival = [one.optuna_per_s / one.brute_per_s for one in compared]
    yield _ratios("Optuna's throughput over brute force's, same jobs", rival)


def _costs(compared: Sequence[Compared]) -> Iterator[Figure]:
    """Return the seconds; the CPU's say more than the clock where others use the cores too."""
    yield at_most("seconds of a tuning, worst", max(one.took_s for one in compared), LIMIT_S, "s")
    yield Figure("CPU seconds of it, worst", f"{max(one.cpu_s for one in compared):.1f} s")
    own_s = max(one.own_took_s for one in compared)
    yield at_most("seconds of a tuning with the command's effort, worst", own_s, LIMIT_S, "s")
    yield Figure("CPU seconds of it, worst", f"{max(one.own_cpu_s for one in compared):.1f} s")


def _ratios(what: str, ratios: Sequence[float]) -> Figure:
    return Figure(what, ", ".join(f"{ratio:.3f}" for ratio in ratios))


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
    small, whole = _tuning(number, own, EFFORT), _tuning(number, own, Effort())
    with simulators() as pool:
        brute = brute_force(number, small.outcome.setting, pool)
        optuna = _optuna(own, small.jobs)
        settings = [brute.setting, small.outcome.setting, whole.outcome.setting, optuna]
        judged = list(pool.map(partial(_judged, number), settings))
        truths = list(pool.map(partial(_truth_of_bound, number), [small.outcome, whole.outcome]))
    return Compared(
        number=number,
        words=str(own),
        brute_per_s=judged[0],
        tuned_per_s=judged[1],
        own_per_s=judged[2],
        optuna_per_s=judged[3],
        brute_jobs=brute.whole_jobs,
        brute_ran_jobs=brute.ran_jobs,
        pruned_of_whole=brute.pruned_of_whole,
        tuned_jobs=small.jobs,
        own_jobs=whole.jobs,
        took_s=small.took_s,
        cpu_s=small.cpu_s,
        own_took_s=whole.took_s,
        own_cpu_s=whole.cpu_s,
        bound_of_goal=max(one.outcome.highest.upper_s for one in (small, whole)) / own.goal.limit_s,
        truth_of_bound=truths[0],
        own_truth_of_bound=truths[1],
        brute_setting=str(brute.setting),
        tuned_setting=str(small.outcome.setting),
        own_setting=str(whole.outcome.setting),
    )


def _tuning(number: int, own: TunedWorkload, effort: Effort) -> Tuning:
    started, before_s = time.perf_counter(), _cpu_s()
    with processes(own.workload, own.goal) as ask:
        bench = Bench(own.workload, own.goal, own.workers, effort, ask)
        outcome = tune(own.space, bench, random.Random(number).random, None)
    assert isinstance(outcome, Tuned), outcome
    return Tuning(outcome, bench.simulated, time.perf_counter() - started, _cpu_s() - before_s)


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    usages = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _judged(number: int, setting: TunedSetting) -> float:
    """Return the highest rate of a setting by random numbers that no search has seen."""
    bench = bench_of(_unseen(number))
    bench.effort = replace(EFFORT, replications=8, jobs=800)
    best = sustained(setting, NEARLY * bench.most_per_s(setting), bench)
    return best.rate_per_s if best else 0.0


def _unseen_chance(seed: int) -> random.Random:
    return random.Random(f"unseen {seed}")


@lru_cache(maxsize=1)
def _unseen(number: int) -> TunedWorkload:
    own = tuned_workload(number)
    trace = own.workload.trace
    assert isinstance(trace, DrawnTrace)
    chance = lambda seed: _unseen_chance(seed).random  # noqa: E731  # it stays in this process
    fresh = replace(own.workload, chance_of=chance, trace=DrawnTrace(chance, trace.sizes))
    return replace(own, workload=fresh)


def _truth_of_bound(number: int, outcome: Tuned) -> float:
    """Return p95 of a long trace of random numbers that no search has seen, over the bound of a tuning."""
    other, highest = _unseen(number), outcome.highest
    asked = highest.question
    asked = Question(asked.setting, asked.rate_per_s, asked.workers, 1, LONG_JOBS, UNSEEN)
    return answer(other.workload, other.goal, asked).latency_s / highest.upper_s


def _optuna(own: TunedWorkload, most_jobs: int) -> TunedSetting:
    """Return the best setting that Optuna's sampler finds within so many simulated jobs."""
    axes: Sequence[Sequence[int]] = [getattr(own.space, axis) for axis in AXES]
    words = [
        python_with("optuna", PINS),
        "tests/benchmarks/rivals/suggestions.py",
        "1",
        *map(str, map(len, axes)),
    ]
    bench, rates = bench_of(own), dict[TunedSetting, float]()
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

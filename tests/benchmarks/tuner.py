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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

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
COMMANDED = (0, 1, 6, 11)  # workloads that are tuned with the command's effort, too
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

    `pruned_of_whole` is below 1 where a search without leaving out found a higher rate than the other.
    """

    number: int
    words: str
    brute_per_s: float
    tuned_per_s: float
    optuna_per_s: float
    brute_jobs: int
    brute_ran_jobs: int
    pruned_of_whole: float
    tuned_jobs: int
    took_s: float
    cpu_s: float
    bound_of_goal: float
    truth_of_bound: float
    brute_setting: str
    tuned_setting: str


@dataclass(frozen=True, slots=True)
class Commanded:
    """A tuning with the command's effort: as judged, simulated jobs, seconds, ratios."""

    per_s: float
    jobs: int
    took_s: float
    cpu_s: float
    bound_of_goal: float
    truth_of_bound: float
    setting: str


def measure() -> Iterator[Figure]:
    numbers = [int(word) for word in os.environ.get("TUNER_WORKLOADS", "").split(",") if word]
    compared = [Compared(**_kept(str(number), _compare, number)) for number in numbers or WORKLOADS]
    near = [one.tuned_per_s / one.brute_per_s for one in compared]
    yield at_least(
        f"of {len(compared)} workloads, within 5 % of brute force's throughput",
        sum(share >= NEAR for share in near),
        AT_LEAST * len(near),
    )
    yield _ratios("the tuner's throughput over brute force's", near)
    shares = [one.tuned_jobs / one.brute_jobs for one in compared]
    yield at_most("simulated jobs over brute force's, worst", max(shares), SHARE)
    jobs = sum(o.tuned_jobs for o in compared) / sum(o.brute_jobs for o in compared)
    yield at_most("the same, all together", jobs, SHARE)
    yield from _promises(compared)
    rival = [one.optuna_per_s / one.brute_per_s for one in compared]
    yield _ratios("Optuna's throughput over brute force's, same jobs", rival)
    yield from _commanded({one.number: one.brute_per_s for one in compared if one.number in COMMANDED})


def _commanded(brute_per_s: Mapping[int, float]) -> Iterator[Figure]:
    own = {number: Commanded(**_kept(f"command {number}", _command, number)) for number in brute_per_s}
    if own:
        yield Figure("with the command's effort: workloads", ", ".join(map(str, own)))
        ratios = [one.per_s / brute_per_s[number] for number, one in own.items()]
        yield _ratios("throughput over brute force's", ratios)
        yield from _promises(list(own.values()))


def _promises(tunings: Sequence[Compared | Commanded]) -> Iterator[Figure]:
    """Return seconds and bounds; CPU seconds say more than the clock where others use the cores too."""
    yield at_most("seconds of a tuning, worst", max(one.took_s for one in tunings), LIMIT_S, "s")
    yield Figure("CPU seconds of it, worst", f"{max(one.cpu_s for one in tunings):.1f} s")
    yield at_most("upper 95 % bound over the goal, worst", max(one.bound_of_goal for one in tunings), 1.0)
    truths = [one.truth_of_bound for one in tunings]
    above = sum(truth > 1.0 for truth in truths)
    yield Figure("p95 of a fresh long trace above the bound", f"{above} of {len(tunings)} workloads")
    yield _ratios("p95 of a fresh long trace over the bound", truths)


def _ratios(what: str, ratios: Sequence[float]) -> Figure:
    return Figure(what, ", ".join(f"{ratio:.3f}" for ratio in ratios))


def _kept(name: str, measured: Callable[[int], Compared | Commanded], number: int) -> dict[str, Any]:
    """Return what was measured of a workload before, or measure it now."""
    kept: dict[str, dict[str, Any]] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if name not in kept:
        kept[name] = asdict(measured(number))
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1))
    return kept[name]


def _compare(number: int) -> Compared:
    own = tuned_workload(number)
    tuned = _tuning(number, own, EFFORT)
    highest, setting = tuned.outcome.highest, tuned.outcome.setting
    with simulators() as pool:
        brute = brute_force(number, setting, pool)
        optuna = _optuna(own, tuned.jobs)
        judge = partial(_judged, number, highest.question.rate_per_s)
        settings = list(dict.fromkeys([brute.setting, setting, optuna]))
        rates = dict(zip(settings, pool.map(judge, settings), strict=True))
        truth = pool.submit(_truth_of_bound, number, tuned.outcome).result()
    return Compared(
        number=number,
        words=str(own),
        brute_per_s=rates[brute.setting],
        tuned_per_s=rates[setting],
        optuna_per_s=rates[optuna],
        brute_jobs=brute.whole_jobs,
        brute_ran_jobs=brute.ran_jobs,
        pruned_of_whole=brute.pruned_of_whole,
        tuned_jobs=tuned.jobs,
        took_s=tuned.took_s,
        cpu_s=tuned.cpu_s,
        bound_of_goal=highest.upper_s / own.goal.limit_s,
        truth_of_bound=truth,
        brute_setting=str(brute.setting),
        tuned_setting=str(setting),
    )


def _command(number: int) -> Commanded:
    own = tuned_workload(number)
    tuned = _tuning(number, own, Effort())
    highest = tuned.outcome.highest
    return Commanded(
        per_s=_judged(number, highest.question.rate_per_s, tuned.outcome.setting),
        jobs=tuned.jobs,
        took_s=tuned.took_s,
        cpu_s=tuned.cpu_s,
        bound_of_goal=highest.upper_s / own.goal.limit_s,
        truth_of_bound=_truth_of_bound(number, tuned.outcome),
        setting=str(tuned.outcome.setting),
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


def _judged(number: int, near_per_s: float, setting: TunedSetting) -> float:
    """Return the highest rate of a setting by random numbers that no search has seen."""
    bench = bench_of(_unseen(number))
    bench.effort = replace(EFFORT, replications=8, jobs=800)
    best = sustained(setting, near_per_s, bench)
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
        process.stdout.read()  # the sampler has written one more suggestion, and would fail on a closed pipe
    return max(rates, key=rates.__getitem__)

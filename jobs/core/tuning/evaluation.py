"""One question to the simulator, what a setting does at a rate, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from statistics import fmean

import msgspec

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.world import simulate
from jobs.core.tuning.latency_bound import percentile_s, upper_bound
from jobs.core.tuning.setting_space import TunedSetting
from jobs.core.tuning.workload import Workload

HOPELESS = 1.5  # so many times the goal in one replication, and the others are not run


class Question(msgspec.Struct, frozen=True):
    """A setting, a rate, and how much to simulate: replications from number `first` on, of `jobs` jobs."""

    setting: TunedSetting
    rate_per_s: float
    workers: int
    replications: int
    jobs: int
    first: int = 0


class Answer(msgspec.Struct, frozen=True):
    """The percentile in seconds and its upper 95 % bound; `simulated` counts the jobs that it took.

    The bound of a single replication is its percentile. A bound of infinity: it missed the goal by far.
    """

    question: Question
    latency_s: float
    upper_s: float
    throughput_per_s: float
    simulated: int

    def meets(self, goal: LoadGoal) -> bool:
        """Return whether the bound is within the goal."""
        return self.upper_s <= goal.limit_s


Ask = Callable[[Sequence[Question]], Sequence[Answer]]


def answer(workload: Workload, goal: LoadGoal, question: Question) -> Answer:
    """Simulate; a setting that misses the goal by far is not simulated to the end."""
    plan = workload.plan(question.setting, question.workers)
    estimates, rates, simulated = list[float](), list[float](), 0
    for number in range(question.first, question.first + question.replications):
        arrivals = workload.arrivals(number, question.jobs, question.rate_per_s)
        report = simulate(plan, arrivals, workload.chance(number))
        estimates.append(percentile_s(report, goal.percentile))
        rates.append(report.throughput_per_s)
        simulated += len(arrivals)
        if estimates[-1] > HOPELESS * goal.limit_s:
            break
    cut = len(estimates) < question.replications
    upper_s = inf if cut else estimates[0] if question.replications == 1 else upper_bound(estimates)
    return Answer(question, fmean(estimates), upper_s, fmean(rates), simulated)

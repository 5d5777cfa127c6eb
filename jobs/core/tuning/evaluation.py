"""One question to the simulator, what a setting does at a rate, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from statistics import fmean

import msgspec

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.world import simulate
from jobs.core.tuning.latency_bound import percentile_s, upper_bound
from jobs.core.tuning.setting_space import TunedSetting
from jobs.core.tuning.workload import Workload

HOPELESS = 1.5  # so many times the goal in one replication, and the others are not run
GROUP = 4  # workers: of more, so many are simulated with their share of the jobs


class Question(msgspec.Struct, frozen=True):
    """A setting, a rate, and how much to simulate: replications from number `first` on, of `jobs` jobs.

    At a rate of infinity all jobs wait at the beginning: the throughput is then the capacity. Of more than
    `GROUP` workers a group is simulated, with its share of the rate and all of the `jobs`: the whole is a
    little better, because its arrivals are spread more evenly over the workers.
    """

    setting: TunedSetting
    rate_per_s: float
    workers: int
    replications: int
    jobs: int
    first: int = 0

    @property
    def simulated_workers(self) -> int:
        """Return how many of the workers are simulated."""
        return group_of(self.workers)


class Estimated(msgspec.Struct, frozen=True):
    """The percentile in seconds by replication; `simulated` counts the jobs that it took.

    There are fewer estimates than replications where one missed the goal by far.
    """

    question: Question
    estimates_s: tuple[float, ...]
    throughput_per_s: float
    simulated: int

    @property
    def latency_s(self) -> float:
        """Return the mean of the estimates."""
        return fmean(self.estimates_s)

    @property
    def upper_s(self) -> float:
        """Return the upper 95 % bound: infinity where the goal was missed by far.

        The bound of a single replication is its estimate, for a first look.
        """
        if len(self.estimates_s) < self.question.replications:
            return inf
        return self.latency_s if self.question.replications == 1 else upper_bound(self.estimates_s)

    def meets(self, goal: LoadGoal) -> bool:
        """Return whether the bound is within the goal."""
        return self.upper_s <= goal.limit_s


Ask = Callable[[Sequence[Question]], Sequence[Estimated]]


def group_of(workers: int) -> int:
    """Return how many of so many workers are simulated."""
    return min(workers, GROUP)


def answer(workload: Workload, goal: LoadGoal, question: Question) -> Estimated:
    """Simulate; a setting that misses the goal by far is not simulated to the end."""
    plan = workload.plan(question.setting, question.simulated_workers)
    share = question.simulated_workers / question.workers
    estimates, rates, simulated = list[float](), list[float](), 0
    for number in range(question.first, question.first + question.replications):
        arrivals = workload.arrivals(number, question.jobs, question.rate_per_s * share)
        report = simulate(plan, arrivals, workload.chance(number))
        estimates.append(percentile_s(report, goal.percentile))
        rates.append(_drained_per_s(report) if question.rate_per_s == inf else report.throughput_per_s)
        simulated += len(arrivals)
        if estimates[-1] > HOPELESS * goal.limit_s:
            break
    return Estimated(question, tuple(estimates), fmean(rates) / share, simulated)


def joined(answers: Sequence[Estimated]) -> Estimated:
    """Return one answer of several that differ in their replications alone, the first numbers first."""
    first = answers[0].question
    replications = sum(one.question.replications for one in answers)
    return Estimated(
        msgspec.structs.replace(first, replications=replications),
        tuple(estimate for one in answers for estimate in one.estimates_s),
        fmean(one.throughput_per_s for one in answers),
        sum(one.simulated for one in answers),
    )


def _drained_per_s(report: SimulationReport) -> float:
    """Return the rate of the middle half of the ends, where all jobs were there from the beginning."""
    ends_s = sorted(report.latencies_s)
    first, last = len(ends_s) // 4, 3 * len(ends_s) // 4
    seconds = ends_s[last] - ends_s[first] if ends_s else 0.0
    return (last - first) / seconds if seconds else inf

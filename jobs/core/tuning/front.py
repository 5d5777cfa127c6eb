"""The Pareto front: what a rate costs in latency, over the best settings of a search.

It goes by the rate of the jobs: the throughput of a short simulation counts the time until its last result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from jobs.core.tuning.bench import Bench
from jobs.core.tuning.evaluation import Estimated
from jobs.core.tuning.setting_space import TunedSetting

MOST_SETTINGS = 4
LOADS = (0.1, 0.3, 0.5, 0.7, 0.85, 1.0, 1.1)  # of the highest rate of the best setting


def curves(best: TunedSetting, rate_per_s: float, bench: Bench) -> list[Estimated]:
    """Return the best setting and those that came near it, each at rates up to above the highest.

    Of settings that differ in `prefetch` or `depth` alone, whose curves are often the same, one is taken. A
    rate that a setting cannot keep up with is left out: a short simulation would show it within the goal.
    """
    others = sorted(filter(bench.meets, bench.answers), key=lambda one: -one.question.rate_per_s)
    settings = dict[tuple[int, int, int], TunedSetting]()
    for setting in (best, *(one.question.setting for one in others)):
        settings.setdefault((setting.max_batch, setting.max_padded_size, setting.lanes), setting)
    rates = [load * rate_per_s for load in LOADS]
    return [
        answer
        for setting in list(settings.values())[:MOST_SETTINGS]
        for answer in bench.measure([setting], [rate for rate in rates if rate <= bench.most_per_s(setting)])
    ]


def front(answers: Iterable[Estimated]) -> list[Estimated]:
    """Return the answers that no other beats in both rate and bound, the lowest rate first."""
    usable = [one for one in answers if isfinite(one.upper_s)]
    best: list[Estimated] = []
    for one in sorted(usable, key=lambda one: (-one.question.rate_per_s, one.upper_s)):
        if not best or one.upper_s < best[-1].upper_s:
            best.append(one)
    return best[::-1]


def best_latency_s(answers: Sequence[Estimated]) -> float:
    """Return the lowest percentile that any setting had."""
    return min(one.latency_s for one in answers)

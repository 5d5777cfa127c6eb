"""Which of two load tests is better, with intervals.

Latencies that follow each other are alike, because the jobs waited in the same queue, so intervals from
single jobs would be far too narrow. Whole slices of the time are drawn anew instead (a bootstrap over
blocks), and the interval is that of the differences between 2.5 and 97.5 %.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from math import ceil, isnan, nan
from typing import Literal, NamedTuple

from jobs.core.loadtest.load_report import LoadReport, LoadSlice
from jobs.core.simulation.arrivals import Chance

DRAWS = 400
LOW, HIGH = 0.025, 0.975
MATTERS = 0.02  # of A's value: slices keep latencies to two digits, so a smaller difference says nothing
PERCENTS = (50, 95, 99)
ComparedWord = Literal["better", "worse", "same"]
Interval = tuple[float, float]


class ComparedFigure(NamedTuple):
    """A figure of both runs, each with its interval, and whether B is better, worse or the same."""

    name: str
    a: float
    a_interval: Interval
    b: float
    b_interval: Interval
    word: ComparedWord


class _Kind(NamedTuple):
    """A figure's name, whether more of it is better, and the least difference that counts."""

    name: str
    more_is_better: bool = False
    matters: float | None = None


KINDS = (
    *(_Kind(f"p{percent} ms") for percent in PERCENTS),
    _Kind("jobs/s", more_is_better=True),
    _Kind("errors %", matters=0.2),
)


def compared(a: LoadReport, b: LoadReport, chance: Chance) -> list[ComparedFigure]:
    """Return p50, p95 and p99 in ms, throughput in jobs a second and the share of errors of both runs."""
    runs = [_values(report, chance) for report in (a, b)]
    return [_judged(kind, *pair) for kind, *pair in zip(KINDS, *runs, strict=True)]


def overall(figures: Sequence[ComparedFigure]) -> ComparedWord:
    """Return one word for all: worse where any figure is, else better where any is."""
    words = {figure.word for figure in figures}
    return "worse" if "worse" in words else "better" if "better" in words else "same"


def _values(report: LoadReport, chance: Chance) -> list[tuple[float, ...]]:
    """Return each figure's values: the one that was seen, and then those of all draws."""
    slices, count = report.slices, len(report.slices)
    draws = ([slices[int(chance() * count)] for _ in slices] for _ in range(DRAWS))
    rate = sum(one.intended for one in slices) / (report.slice_s * count)
    return list(zip(*(_figures(drawn, rate) for drawn in (slices, *draws)), strict=True))


def _figures(slices: Sequence[LoadSlice], rate_per_s: float) -> tuple[float, ...]:
    """Return the figures of some slices; throughput by what was due: a plan's bursts are no chance."""
    counts = Counter[int]()
    for one in slices:
        for value, count in one.latencies_us.items():
            counts[value] += count
    intended = sum(one.intended for one in slices)
    errors = 1.0 - sum(one.succeeded for one in slices) / intended if intended else nan
    finished = sum(one.finished for one in slices) / intended if intended else nan
    return *_percentiles_ms(counts), rate_per_s * finished, 100.0 * errors


def _percentiles_ms(counts: Counter[int]) -> list[float]:
    values = sorted(counts)
    below = list(accumulate(counts[value] for value in values))
    if not below:
        return [nan for _ in PERCENTS]
    ranks = (max(1, ceil(percent * below[-1] / 100)) for percent in PERCENTS)
    return [values[bisect_left(below, rank)] / 1e3 for rank in ranks]


def _judged(kind: _Kind, a: Sequence[float], b: Sequence[float]) -> ComparedFigure:
    low, high = _interval([late - early for early, late in zip(a[1:], b[1:], strict=True)])
    matters = MATTERS * abs(a[0]) if kind.matters is None else kind.matters
    more, less = low > 0.0 and b[0] - a[0] > matters, high < 0.0 and a[0] - b[0] > matters
    word: ComparedWord = "same"
    if more or less:
        word = "better" if more == kind.more_is_better else "worse"
    return ComparedFigure(kind.name, a[0], _interval(a[1:]), b[0], _interval(b[1:]), word)


def _interval(values: Sequence[float]) -> Interval:
    ordered = sorted(value for value in values if not isnan(value))
    if not ordered:
        return nan, nan
    last = len(ordered) - 1
    return ordered[int(LOW * last)], ordered[ceil(HIGH * last)]

"""Observes what a batch's jobs share once, with their number, and what differs in one pass.

The library takes one value a call, at 1.3 µs, or 3.8 µs where processes share a folder: with eight stages a
tenth of what a job costs. A histogram keeps the count of each edge by itself, not added up from the lowest:
the page adds them up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from prometheus_client import Histogram


def observe_many(histogram: Histogram, values: Sequence[float]) -> None:
    """Observe each of the values."""
    if not values:
        return
    edges = histogram._upper_bounds  # noqa: SLF001  # the library has no call for it; a test holds the two equal
    lowest, highest = bisect_left(edges, min(values)), bisect_left(edges, max(values))
    if lowest == highest:  # most often: the jobs of a batch are alike
        _add(histogram, lowest, len(values))
    else:
        for place, count in Counter([bisect_left(edges, value) for value in values]).items():
            _add(histogram, place, count)
    histogram._sum.inc(sum(values))  # noqa: SLF001


def observe_times(histogram: Histogram, value: float, times: int) -> None:
    """Observe one value for as many as share it."""
    if times:
        _add(histogram, bisect_left(histogram._upper_bounds, value), times)  # noqa: SLF001
        histogram._sum.inc(value * times)  # noqa: SLF001


def _add(histogram: Histogram, place: int, count: int) -> None:
    histogram._buckets[place].inc(count)  # noqa: SLF001

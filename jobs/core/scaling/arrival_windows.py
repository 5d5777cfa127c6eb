"""How fast jobs arrive, over a short, a middle and a long time, and how bursty they are. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

BIN_S = 5.0
SHORT_S, MIDDLE_S, LONG_S = 15.0, 60.0, 300.0
LEAST_BINS = 12  # burstiness of fewer bins is a guess: the arrivals count as Poisson


@dataclass(frozen=True, slots=True)
class WindowRate:
    """Jobs a second over the last `seconds`, and the standard deviation of this estimate."""

    per_s: float
    sd_per_s: float


class ArrivalWindows:
    """Counts arrivals in bins of `BIN_S` seconds, of which it keeps `LONG_S` seconds."""

    def __init__(self) -> None:
        self._bins = deque[int](maxlen=int(LONG_S / BIN_S))
        self._closed = dict.fromkeys((SHORT_S, MIDDLE_S, LONG_S), (0, 0.0))
        self._open_jobs, self._open_s = 0, 0.0
        self.burstiness = 1.0

    def add(self, jobs: int, seconds: float) -> None:
        """Add `jobs` that arrived within the last `seconds`."""
        self._open_jobs += jobs
        self._open_s += seconds
        while self._open_s >= BIN_S:
            part = round(self._open_jobs * BIN_S / self._open_s)
            self._bins.append(part)
            self._open_jobs, self._open_s = self._open_jobs - part, self._open_s - BIN_S
            self._sum_up()

    def rate(self, window_s: float) -> WindowRate:
        """Return the rate over one of the three windows, or over all seconds where there are fewer."""
        closed_jobs, closed_s = self._closed[window_s]
        jobs, seconds = closed_jobs + self._open_jobs, closed_s + self._open_s
        if seconds <= 0.0:
            return WindowRate(0.0, 0.0)
        return WindowRate(jobs / seconds, math.sqrt(self.burstiness * jobs) / seconds)

    def _sum_up(self) -> None:
        self.burstiness = _burstiness(self._bins)
        for window_s in self._closed:
            bins = min(len(self._bins), round(window_s / BIN_S))
            self._closed[window_s] = sum(islice(reversed(self._bins), bins)), bins * BIN_S

    @property
    def least_burstiness(self) -> float:
        """Return a burstiness that is exceeded but by chance: the estimate of few bins is wide."""
        return max(1.0, self.burstiness * (1.0 - 2.0 * math.sqrt(2.0 / max(LEAST_BINS, len(self._bins)))))


def _burstiness(bins: Sequence[int] | deque[int]) -> float:
    """Return the variance of the bins' counts over their mean, at least the 1 of a Poisson process.

    The variance is that of differences of neighbours, which a slow rise or fall of the rate does not widen.
    """
    if len(bins) < LEAST_BINS or not (total := sum(bins)):
        return 1.0
    squares = sum((later - earlier) ** 2 for earlier, later in _pairs(bins))
    return max(1.0, squares / (2.0 * (len(bins) - 1)) / (total / len(bins)))


def _pairs(bins: Sequence[int] | deque[int]) -> Iterator[tuple[int, int]]:
    return zip(bins, islice(bins, 1, None), strict=False)

"""How fast jobs arrive, over a short, a middle and a long time, and how bursty they are. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice, pairwise

LONGEST_S, SHORTEST_S = 300.0, 15.0
LEAST_BIN_S = 1.0
BINS = 60
LEAST_BINS = 12  # burstiness of fewer bins is a guess: the arrivals count as Poisson


@dataclass(frozen=True, slots=True)
class WindowRate:
    """Jobs a second over a window, and the standard deviation of this estimate."""

    per_s: float
    sd_per_s: float


class ArrivalWindow(Enum):
    """A length of time, as a share of the longest one."""

    SHORT = 0.05
    MIDDLE = 0.2
    LONG = 1.0


class ArrivalWindows:
    """Counts arrivals in bins, of which it keeps those of the longest window."""

    def __init__(self, memory_s: float = LONGEST_S) -> None:
        """Remember about `memory_s` seconds, within the bounds above."""
        long_s = min(LONGEST_S, max(SHORTEST_S, memory_s))
        self._bin_s = max(LEAST_BIN_S, long_s / BINS)
        self._lengths = {
            window: max(3, round(window.value * long_s / self._bin_s)) for window in ArrivalWindow
        }
        self._bins = deque[int](maxlen=self._lengths[ArrivalWindow.LONG])
        self._closed = dict.fromkeys(ArrivalWindow, (0, 0.0))
        self._open_jobs, self._open_s = 0, 0.0
        self.burstiness = 1.0

    def add(self, jobs: int, seconds: float) -> None:
        """Add `jobs` that arrived within the last `seconds`."""
        self._open_jobs += jobs
        self._open_s += seconds
        while self._open_s >= self._bin_s:
            part = round(self._open_jobs * self._bin_s / self._open_s)
            self._bins.append(part)
            self._open_jobs, self._open_s = self._open_jobs - part, self._open_s - self._bin_s
            self._sum_up()

    def rate(self, window: ArrivalWindow) -> WindowRate:
        """Return the rate over a window, or over all seconds where there are fewer."""
        closed_jobs, closed_s = self._closed[window]
        jobs, seconds = closed_jobs + self._open_jobs, closed_s + self._open_s
        if seconds <= 0.0:
            return WindowRate(0.0, 0.0)
        return WindowRate(jobs / seconds, math.sqrt(self.burstiness * jobs) / seconds)

    @property
    def least_burstiness(self) -> float:
        """Return a burstiness that is exceeded but by chance: the estimate of few bins is wide."""
        return max(1.0, self.burstiness * (1.0 - 2.0 * math.sqrt(2.0 / max(LEAST_BINS, len(self._bins)))))

    def _sum_up(self) -> None:
        # A rise of the rate must not hide behind the burstiness that it makes: the newest bins do not count.
        self.burstiness = _burstiness([*self._bins][: -self._lengths[ArrivalWindow.SHORT]])
        for window, length in self._lengths.items():
            bins = min(len(self._bins), length)
            self._closed[window] = sum(islice(reversed(self._bins), bins)), bins * self._bin_s


def _burstiness(bins: Sequence[int]) -> float:
    """Return the variance of the bins' counts over their mean, at least the 1 of a Poisson process.

    The variance is that of differences of neighbours, which a slow rise or fall of the rate does not widen.
    """
    if len(bins) < LEAST_BINS or not (total := sum(bins)):
        return 1.0
    squares = sum((later - earlier) ** 2 for earlier, later in pairwise(bins))
    return max(1.0, squares / (2.0 * (len(bins) - 1)) / (total / len(bins)))

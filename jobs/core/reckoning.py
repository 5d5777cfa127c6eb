"""What waits for a model now, by dead reckoning from the last count of it. Pure.

The outbox is counted about once a second. In between, what this process admits is added, with what the
other web processes admit meanwhile, and what the workers take away is taken off, highest priority first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.core.priority import HIGHEST

PRIORITIES = HIGHEST + 1
_MOST_SHARE = 64.0  # processes that admit for one model; more is a count that was taken at a bad moment


@dataclass(frozen=True, slots=True)
class Standing:
    """A count of a model's queue, by API priority, and what its workers do.

    `head_age_s` is for how long the first job of each priority has been due. `per_s` is how many jobs the
    workers take away a second, None where there are none or nothing of them is known; `answer_s` is what a
    job takes from its claim to its verdict; `arriving_per_s` is what all processes admitted before the count.
    """

    waiting: tuple[int, ...] = (0,) * PRIORITIES
    head_age_s: tuple[float, ...] = (0.0,) * PRIORITIES
    per_s: float | None = None
    answer_s: float = 0.0
    arriving_per_s: float = 0.0


class Reckoning:
    """One model's queue from its count on; times are seconds of a clock that only goes forward."""

    def __init__(self, standing: Standing, counted_s: float, own_per_s: float = 0.0) -> None:
        """Begin with what was counted; this process admitted `own_per_s` before it."""
        self.standing, self.counted_s = standing, counted_s
        self._level = [float(count) for count in standing.waiting]
        self._at_s = counted_s
        self._share = _share(standing.arriving_per_s, own_per_s)
        self._unseen_per_s = 0.0 if own_per_s else standing.arriving_per_s

    def replay(self, admitted: Iterable[tuple[float, int, int]]) -> None:
        """Add what was admitted after the count, as (time, priority, jobs) in order of time."""
        for at_s, priority, jobs in admitted:
            if at_s > self.counted_s:
                self.add(priority, jobs, at_s)

    def add(self, priority: int, jobs: int, now: float) -> None:
        """Note jobs that this process admits, each for all that come meanwhile."""
        self._advance(now)
        self._level[priority] += jobs * self._share

    def ahead(self, priority: int, now: float) -> int:
        """Return how many jobs of this priority or higher wait."""
        self._advance(now)
        return round(sum(self._level[priority:]))

    def ahead_of(self, priority: int, now: float, *, age_s: float) -> int:
        """Return about how many jobs are before one that was made `age_s` ago.

        Those of its own priority came evenly between the first of them and the count.
        """
        self._advance(now)
        at_count_s, head_s = age_s - (now - self.counted_s), self.standing.head_age_s[priority]
        if at_count_s <= 0.0:
            return self.ahead(priority, now)
        before = self.standing.waiting[priority] * max(0.0, 1.0 - at_count_s / head_s) if head_s else 0.0
        drained = (self.standing.per_s or 0.0) * (now - self.counted_s)
        above = sum(self.standing.waiting[priority + 1 :])
        return max(round(sum(self._level[priority + 1 :])), round(above + before - drained))

    def _advance(self, now: float) -> None:
        elapsed_s = now - self._at_s
        if elapsed_s <= 0.0:
            return
        self._at_s = now
        self._spread(self._unseen_per_s * elapsed_s)
        left = (self.standing.per_s or 0.0) * elapsed_s
        for priority in range(HIGHEST, -1, -1):
            gone = min(left, self._level[priority])
            self._level[priority] -= gone
            left -= gone

    def _spread(self, jobs: float) -> None:
        """Add what others admit, by priority as it was counted."""
        counted = sum(self.standing.waiting)
        if jobs and counted:
            for priority, count in enumerate(self.standing.waiting):
                self._level[priority] += jobs * count / counted


def _share(arriving_per_s: float, own_per_s: float) -> float:
    if own_per_s <= 0.0:
        return 1.0
    return min(max(arriving_per_s / own_per_s, 1.0), _MOST_SHARE)

"""What waits for a model now, by dead reckoning from the last count of it. Pure.

The outbox is counted about twice a second. In between, what this process admits is added, with what the
other web processes admit meanwhile, and what the workers take away is taken off, highest priority first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jobs.core.priority import HIGHEST

PRIORITIES = HIGHEST + 1
_MOST_SHARE = 64.0  # processes that admit for one model; more is a count that was taken at a bad moment
TICK_S = 0.02  # what comes so close together is of one moment
_NOBODY: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QueueCount:
    """A count of a model's queue, by API priority, and what its workers do.

    `head_age_s` is for how long the first job of each priority has been due, `mean_age_s` for how long they
    have on average, `by_client` whose the jobs are,
    as far as that is known. `per_s` is how many jobs the workers take away a second, None where there are
    none or nothing of them is known; `answer_s` is what a job takes from its claim to its verdict;
    `arriving_per_s` is what all processes admitted before the count.
    """

    waiting: tuple[int, ...] = (0,) * PRIORITIES
    head_age_s: tuple[float, ...] = (0.0,) * PRIORITIES
    mean_age_s: tuple[float, ...] = (0.0,) * PRIORITIES
    per_s: float | None = None
    answer_s: float = 0.0
    arriving_per_s: float = 0.0
    by_client: tuple[Mapping[int, int], ...] = (_NOBODY,) * PRIORITIES


@dataclass(frozen=True, slots=True)
class Line:
    """What waits before a client's next job: `above` it in priority, beside it by client, and its own.

    `others` and `own` are parts of `level`, whatever they add up to.
    """

    above: float
    level: float
    others: tuple[float, ...] = ()
    own: float = 0.0

    @property
    def waiting(self) -> int:
        """Return how many jobs of the priority or higher wait."""
        return round(self.above + self.level)

    def position(self, more: int = 0) -> int:
        """Return how many jobs go before the client's next but `more`: at one priority clients take turns."""
        counted = sum(self.others) + self.own
        if not counted:
            return round(self.above + self.level) + more
        scale = self.level / counted
        own = self.own * scale + more
        return round(self.above + own + sum(min(each * scale, own + 1.0) for each in self.others))


def earlier_part(age_s: float, *, head_s: float, mean_s: float) -> float:
    """Return about which part of a line came before a job of this age; of those of one moment, half did.

    The mean says whether they came evenly, or many at once long ago or just now.
    """
    if head_s <= 0.0:
        return 0.5
    mean = min(max(mean_s / head_s, 1e-4), 1.0 - 1e-4)
    return (_older(age_s + TICK_S, head_s, mean) + _older(age_s - TICK_S, head_s, mean)) / 2.0


def _older(age_s: float, head_s: float, mean: float) -> float:
    """Return the part that is older; ages over the first's are distributed as a power with this mean."""
    share = min(max(age_s / head_s, 0.0), 1.0)
    return 1.0 - math.pow(share, mean / (1.0 - mean))


class QueueEstimate:
    """One model's queue from its count on; times are seconds of a clock that only goes forward."""

    def __init__(self, standing: QueueCount, counted_s: float, own_per_s: float = 0.0) -> None:
        """Begin with what was counted; this process admitted `own_per_s` before it."""
        self.standing, self.counted_s = standing, counted_s
        self._level = [float(count) for count in standing.waiting]
        self._own = Counter[tuple[int, int]]()
        self._at_s = counted_s
        self._share = _share(standing.arriving_per_s, own_per_s)
        self._unseen_per_s = 0.0 if own_per_s else standing.arriving_per_s

    def replay(self, admitted: Iterable[tuple[float, int, int, int]]) -> None:
        """Add what was admitted after the count, as (time, priority, client, jobs) in order of time."""
        for at_s, priority, client, jobs in admitted:
            if at_s > self.counted_s:
                self.add(priority, client, jobs, at_s)

    def add(self, priority: int, client: int, jobs: int, now: float) -> None:
        """Note jobs that this process admits, each for all that come meanwhile."""
        self._advance(now)
        self._level[priority] += jobs * self._share
        self._own[priority, client] += jobs

    def line(self, priority: int, client: int, now: float) -> Line:
        """Return what waits before the client's next job of this priority."""
        self._advance(now)
        known = self.standing.by_client[priority]
        others = tuple(float(count) for other, count in known.items() if other != client)
        own = known.get(client, 0) + self._own[priority, client] * self._share
        return Line(sum(self._level[priority + 1 :]), self._level[priority], others, own)

    def ahead_of(self, priority: int, client: int, now: float, *, age_s: float) -> int:
        """Return about how many jobs are before one that was made `age_s` ago."""
        at_count_s = age_s - (now - self.counted_s)
        if at_count_s <= 0.0:
            return self.line(priority, client, now).position()
        self._advance(now)
        head_s, mean_s = self.standing.head_age_s[priority], self.standing.mean_age_s[priority]
        earlier = earlier_part(at_count_s, head_s=head_s, mean_s=mean_s)
        drained = (self.standing.per_s or 0.0) * (now - self.counted_s)
        above = sum(self.standing.waiting[priority + 1 :])
        before = above + self._beside(priority, client, earlier) - drained
        return max(round(sum(self._level[priority + 1 :])), round(before))

    def _beside(self, priority: int, client: int, earlier: float) -> float:
        """Return how many of one priority go before a job; this part of its client's were made before it."""
        known = self.standing.by_client[priority]
        if client not in known:
            return self.standing.waiting[priority] * earlier
        own = known[client] * earlier
        return own + sum(min(count, own + 1.0) for other, count in known.items() if other != client)

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

"""The jobs that wait for a model now, estimated from the last count on. Pure.

Between two counts the estimate adds the jobs that this process admits, scaled up for those that other web
processes admit, and subtracts what the workers finish, highest priority first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from jobs.core.admission.queue_count import QueueCount
from jobs.core.priority import HIGHEST

_MOST_PROCESSES = 64.0  # a greater ratio of arrivals to own admissions is an error of measurement
TICK_S = 0.02  # jobs that come within it count as simultaneous


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """What waits before a client's next job: jobs of higher priority, and jobs of the same.

    `others` are the counted jobs of the same priority of each other client and `own` those of the client.
    Their sum can differ from `level`, which is the estimate of the same jobs.
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
        """Return how many jobs go first when the client adds `more` before its next one.

        At one priority clients take turns, so each other client has at most one job more than the own.
        """
        counted = sum(self.others) + self.own
        if not counted:
            return round(self.above + self.level) + more
        scale = self.level / counted
        own = self.own * scale + more
        turns = sum([min(jobs * scale, own + 1.0) for jobs in self.others]) if self.others else 0.0
        return round(self.above + own + turns)


def earlier_part(age_s: float, *, head_s: float, mean_s: float) -> float:
    """Return which part of a queue is older than a job of `age_s`; half of it for jobs of the same moment.

    `head_s` is the age of the first job and `mean_s` the mean age. The mean shows whether the jobs came
    evenly, or many of them long ago or just now.
    """
    if head_s <= 0.0:
        return 0.5
    mean = min(max(mean_s / head_s, 1e-4), 1.0 - 1e-4)
    return (_older(age_s + TICK_S, head_s, mean) + _older(age_s - TICK_S, head_s, mean)) / 2.0


def _older(age_s: float, head_s: float, mean: float) -> float:
    """Return the older part, where ages relative to the first job's follow a power law with this mean."""
    ratio = min(max(age_s / head_s, 0.0), 1.0)
    return 1.0 - math.pow(ratio, mean / (1.0 - mean))


class QueueEstimate:
    """The queue of one model after a count; times are seconds of a monotonic clock."""

    def __init__(
        self,
        count: QueueCount,
        counted_s: float,
        own_per_s: float = 0.0,
        arriving_per_s: float | None = None,
    ) -> None:
        """Start from `count`, before which this process admitted `own_per_s` jobs a second.

        `arriving_per_s` is what all processes admitted over the same time; None takes the rate of the count.
        """
        self.count, self.counted_s = count, counted_s
        self._level = [float(jobs) for jobs in count.waiting]
        self._own = Counter[tuple[int, int]]()
        self._at_s = counted_s
        arriving_per_s = count.arriving_per_s if arriving_per_s is None else arriving_per_s
        self._scale = _processes(arriving_per_s, own_per_s)
        self._unseen_per_s = 0.0 if own_per_s else count.arriving_per_s

    def replay(self, admissions: Iterable[tuple[float, int, int, int]]) -> None:
        """Add admissions (time, priority, client, jobs), in order of time, that are later than the count."""
        for at_s, priority, client, jobs in admissions:
            if at_s > self.counted_s:
                self.add(priority, client, jobs, at_s)

    def add(self, priority: int, client: int, jobs: int, now: float) -> None:
        """Record jobs that this process admits; they also represent those of other processes."""
        self._advance(now)
        self._level[priority] += jobs * self._scale
        self._own[priority, client] += jobs

    def place(self, priority: int, client: int, now: float) -> QueuePlace:
        """Return what waits before the client's next job of this priority."""
        self._advance(now)
        clients = self.count.by_client[priority]
        others = tuple([float(jobs) for other, jobs in clients.items() if other != client])
        own = clients.get(client, 0) + self._own.get((priority, client), 0) * self._scale
        return QueuePlace(sum(self._level[priority + 1 :]), self._level[priority], others, own)

    def ahead_of(
        self, priority: int, client: int, now: float, *, age_s: float, job: UUID | None = None
    ) -> int:
        """Return about how many jobs are ahead of one that was submitted `age_s` ago."""
        age_at_count_s = age_s - (now - self.counted_s)
        if age_at_count_s <= 0.0:
            return self.place(priority, client, now).position()
        self._advance(now)
        earlier = self._earlier(priority, client, age_at_count_s, job)
        drained = (self.count.per_s or 0.0) * (now - self.counted_s)
        above = sum(self.count.waiting[priority + 1 :])
        before = above + self._same_priority(priority, client, earlier) - drained
        return max(round(sum(self._level[priority + 1 :])), round(before))

    def _earlier(self, priority: int, client: int, age_s: float, job: UUID | None) -> float:
        """Return which part of the client's counted jobs is older; without it, of all of the priority."""
        span = self.count.spans[priority].get(client)
        if span is None:
            head_s, mean_s = self.count.head_age_s[priority], self.count.mean_age_s[priority]
            return earlier_part(age_s, head_s=head_s, mean_s=mean_s)
        rank = None if job is None else span.rank(job)
        if rank is not None:
            return rank
        return earlier_part(age_s, head_s=span.head_age_s, mean_s=span.mean_age_s)

    def _same_priority(self, priority: int, client: int, earlier: float) -> float:
        """Return how many counted jobs of one priority go first, if this part of the client's are older."""
        clients = self.count.by_client[priority]
        if client not in clients:
            return self.count.waiting[priority] * earlier
        own = clients[client] * earlier
        return own + sum(min(jobs, own + 1.0) for other, jobs in clients.items() if other != client)

    def _advance(self, now: float) -> None:
        elapsed_s = now - self._at_s
        if elapsed_s <= 0.0:
            return
        self._at_s = now
        if self._unseen_per_s:
            self._add_unseen(self._unseen_per_s * elapsed_s)
        to_drain = (self.count.per_s or 0.0) * elapsed_s
        for priority in range(HIGHEST, -1, -1):
            level = self._level[priority]
            if level > to_drain:
                self._level[priority] = level - to_drain
                return
            self._level[priority] = 0.0
            to_drain -= level

    def _add_unseen(self, jobs: float) -> None:
        """Add jobs that other processes admit, with the priorities of the counted ones."""
        waiting = sum(self.count.waiting)
        if waiting:
            for priority, level in enumerate(self.count.waiting):
                self._level[priority] += jobs * level / waiting


def _processes(arriving_per_s: float, own_per_s: float) -> float:
    """Return how many processes like this one the arrivals amount to."""
    if own_per_s <= 0.0:
        return 1.0
    return min(max(arriving_per_s / own_per_s, 1.0), _MOST_PROCESSES)

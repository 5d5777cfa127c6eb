"""One model's queue as one web process sees it: the last count, and what the process admitted since. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import takewhile
from statistics import fmean

from jobs.core.admission.queue_count import QueueCount
from jobs.core.admission.queue_estimate import QueueEstimate

READ_EVERY_S = 0.5  # a process reads the counts no more often
STALE_S = 120.0  # an older count says nothing of the queue
OWN_S = 2.0  # the span before a count over which the rate of own admissions is measured
_SLOTS_PER_S = 10
_Slot = tuple[int, Counter[tuple[int, int]]]  # jobs by priority and client


class QueueView:
    """An estimate that starts again at each count; `estimate` is None where no recent count is known.

    Times are seconds of a monotonic clock.
    """

    def __init__(self) -> None:
        self.estimate: QueueEstimate | None = None
        self._own = deque[_Slot]()
        self._arriving = deque[tuple[float, float]]()  # rates by time of their count

    def renew(self, count: QueueCount, counted_s: float) -> QueueEstimate:
        """Return the estimate from this count on, with what the process admitted after it."""
        recent = list(self._admitted_after(counted_s - OWN_S))
        before = sum(jobs.total() for at_s, jobs in recent if at_s <= counted_s)
        arriving_per_s = self._mean_arriving_per_s(count, counted_s)
        self.estimate = QueueEstimate(count, counted_s, before / OWN_S, arriving_per_s)
        self.estimate.replay(
            (at_s, priority, client, jobs)
            for at_s, slot in reversed(recent)
            for (priority, client), jobs in slot.items()
        )
        return self.estimate

    def add(self, priority: int, client: int, jobs: int, now: float) -> None:
        """Record jobs that this process admits."""
        number = int(now * _SLOTS_PER_S)
        if not self._own or self._own[-1][0] != number:
            self._own.append((number, Counter()))
            self._drop_before(number - (STALE_S + OWN_S) * _SLOTS_PER_S)
        self._own[-1][1][priority, client] += jobs
        if self.estimate is not None:
            self.estimate.add(priority, client, jobs, now)

    def _mean_arriving_per_s(self, count: QueueCount, counted_s: float) -> float:
        """Return the rate of all processes over the span of the own rate.

        The rate of the newest count alone is several times the own rate whenever the load rises.
        """
        self._arriving.append((counted_s, count.arriving_per_s))
        while self._arriving[0][0] <= counted_s - OWN_S:
            self._arriving.popleft()
        return fmean(per_s for _, per_s in self._arriving)

    def _admitted_after(self, since_s: float) -> Iterator[tuple[float, Counter[tuple[int, int]]]]:
        """Yield the slots after a time, the newest first, with the time of their middle."""
        slots = (((number + 0.5) / _SLOTS_PER_S, jobs) for number, jobs in reversed(self._own))
        return takewhile(lambda slot: slot[0] > since_s, slots)

    def _drop_before(self, number: float) -> None:
        while self._own[0][0] < number:
            self._own.popleft()

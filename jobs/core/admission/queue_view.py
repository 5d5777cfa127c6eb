"""One model's queue as one web process sees it: the last count, and what the process admitted since. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

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

    def renew(self, count: QueueCount, counted_s: float) -> None:
        """Estimate from this count on, and add what the process admitted after it."""
        recent = (jobs.total() for at_s, jobs in self._admissions() if counted_s - OWN_S < at_s <= counted_s)
        self.estimate = QueueEstimate(count, counted_s, sum(recent) / OWN_S)
        self.estimate.replay(
            (at_s, priority, client, jobs)
            for at_s, slot in self._admissions()
            for (priority, client), jobs in slot.items()
        )

    def add(self, priority: int, client: int, jobs: int, now: float) -> None:
        """Record jobs that this process admits."""
        number = int(now * _SLOTS_PER_S)
        if not self._own or self._own[-1][0] != number:
            self._own.append((number, Counter()))
            self._drop_before(number - (STALE_S + OWN_S) * _SLOTS_PER_S)
        self._own[-1][1][priority, client] += jobs
        if self.estimate is not None:
            self.estimate.add(priority, client, jobs, now)

    def _admissions(self) -> Iterator[tuple[float, Counter[tuple[int, int]]]]:
        return (((number + 0.5) / _SLOTS_PER_S, jobs) for number, jobs in self._own)

    def _drop_before(self, number: float) -> None:
        while self._own[0][0] < number:
            self._own.popleft()

"""A queue of the broker: levels with a fast side each, and consumers served in turn up to their prefetch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from jobs.core.priority import MAX_BROKER_PRIORITY
from jobs.core.simulation.arrivals import Arrival


class Consumer(Protocol):
    """A worker as the broker sees it."""

    def deliver(self, arrivals: Sequence[Arrival]) -> None:
        """Receive one message."""


Worker = TypeVar("Worker", bound=Consumer)


class SharedQueue(Generic[Worker]):
    """One queue and its consumers; as in RabbitMQ, those with free prefetch are served in turn.

    A message holds one or several jobs, and takes one place of the prefetch until all of them have ended.
    """

    def __init__(self, workers: Sequence[Worker], prefetch: int) -> None:
        self._levels: list[deque[Sequence[Arrival]]] = [deque() for _ in range(MAX_BROKER_PRIORITY + 1)]
        self._ready = deque(workers)
        self._free = dict.fromkeys(workers, prefetch)
        self._open: dict[Arrival, list[int]] = {}  # of messages with several jobs: how many have not ended
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def publish(self, arrivals: Sequence[Arrival], level: int) -> None:
        """Add one message; it is delivered at once where a worker has free prefetch."""
        if len(arrivals) > 1:
            still_open = [len(arrivals)]
            self._open.update((arrival, still_open) for arrival in arrivals)
        if self._ready:
            self._deliver_next(arrivals)
        else:
            self._levels[level].append(arrivals)
            self._count += 1

    def acknowledge(self, worker: Worker, arrivals: Sequence[Arrival]) -> None:
        """Note that jobs of a worker have ended, and deliver messages to the places that this frees."""
        ended = self._ended(arrivals) if self._open else len(arrivals)
        if not ended:
            return
        if not self._free[worker]:
            self._ready.append(worker)
        self._free[worker] += ended
        while self._ready and self._count:
            self._deliver_next(self._next())

    def _ended(self, arrivals: Sequence[Arrival]) -> int:
        """Return how many messages have no open job any more."""
        ended = 0
        for arrival in arrivals:
            count = self._open.pop(arrival, None)
            if count is None:
                ended += 1
                continue
            count[0] -= 1
            ended += not count[0]
        return ended

    def _next(self) -> Sequence[Arrival]:
        self._count -= 1
        return next(level for level in reversed(self._levels) if level).popleft()

    def _deliver_next(self, arrivals: Sequence[Arrival]) -> None:
        worker = self._ready.popleft()
        self._free[worker] -= 1
        if self._free[worker]:
            self._ready.append(worker)
        worker.deliver(arrivals)

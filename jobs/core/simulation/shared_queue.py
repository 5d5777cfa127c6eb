"""The broker's queue: priority levels, and consumers served in turn up to their prefetch."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from jobs.core.priority import LEVELS, broker_level
from jobs.core.simulation.arrivals import Arrival


class Consumer(Protocol):
    """A worker as the broker sees it."""

    def deliver(self, arrival: Arrival) -> None:
        """Receive one message."""


Worker = TypeVar("Worker", bound=Consumer)


class SharedQueue(Generic[Worker]):
    """One queue and its consumers; as in RabbitMQ, those with free prefetch are served in turn."""

    def __init__(self, workers: list[Worker], prefetch: int) -> None:
        self._levels: list[deque[Arrival]] = [deque() for _ in range(LEVELS)]
        self._ready = deque(workers)
        self._free = dict.fromkeys(workers, prefetch)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def publish(self, arrival: Arrival) -> None:
        """Add one message; it is delivered at once where a worker has free prefetch."""
        if self._ready:
            self._deliver_next(arrival)
        else:
            self._levels[broker_level(arrival.priority)].append(arrival)
            self._count += 1

    def acknowledge(self, worker: Worker, count: int) -> None:
        """Free `count` places of the worker's prefetch, and deliver messages that wait for them."""
        if not self._free[worker]:
            self._ready.append(worker)
        self._free[worker] += count
        while self._ready and self._count:
            self._deliver_next(self._next())

    def _next(self) -> Arrival:
        self._count -= 1
        return next(level for level in reversed(self._levels) if level).popleft()

    def _deliver_next(self, arrival: Arrival) -> None:
        worker = self._ready.popleft()
        self._free[worker] -= 1
        if self._free[worker]:
            self._ready.append(worker)
        worker.deliver(arrival)

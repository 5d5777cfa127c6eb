"""The broker's queue: levels of priority, workers in turn, each up to its prefetch."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from jobs.core.priority import LEVELS, broker_level
from jobs.core.simulation.arrivals import Arrival


class Consumer(Protocol):
    """A worker, as the broker sees it."""

    def deliver(self, arrival: Arrival) -> None:
        """Take one message."""


Worker = TypeVar("Worker", bound=Consumer)


class SharedQueue(Generic[Worker]):
    """One queue and its consumers; as in RabbitMQ, whoever has room is served in turn."""

    def __init__(self, workers: list[Worker], prefetch: int) -> None:
        self._levels: list[deque[Arrival]] = [deque() for _ in range(LEVELS)]
        self._ready = deque(workers)
        self._room = dict.fromkeys(workers, prefetch)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def publish(self, arrival: Arrival) -> None:
        """Put one message in; it goes on at once where a worker has room."""
        if self._ready:
            self._hand_over(arrival)
        else:
            self._levels[broker_level(arrival.priority)].append(arrival)
            self._count += 1

    def acknowledge(self, worker: Worker, count: int) -> None:
        """Give the worker room for `count` more messages, and what waits for room."""
        if not self._room[worker]:
            self._ready.append(worker)
        self._room[worker] += count
        while self._ready and self._count:
            self._hand_over(self._next())

    def _next(self) -> Arrival:
        self._count -= 1
        return next(level for level in reversed(self._levels) if level).popleft()

    def _hand_over(self, arrival: Arrival) -> None:
        worker = self._ready.popleft()
        self._room[worker] -= 1
        if self._room[worker]:
            self._ready.append(worker)
        worker.deliver(arrival)

"""Predicts when a device can start another batch: each lane runs one, and sealed batches wait in order."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heapreplace


class Lanes:
    """The predicted ends of running batches, and the seconds of waiting ones; the caller gives the time."""

    def __init__(self, count: int = 1) -> None:
        """Start with `count` idle lanes."""
        self._ends: list[float | None] = [None] * count
        self._ahead: deque[float] = deque()

    def promise(self, seconds: float) -> None:
        """Record a sealed batch that will run for `seconds`."""
        self._ahead.append(seconds)

    def withdraw(self) -> None:
        """Remove the batch that was sealed last, because no job of it was claimed."""
        if self._ahead:
            self._ahead.pop()

    def start(self, lane: int, now: float, seconds: float) -> None:
        """Start the first waiting batch on `lane`."""
        if self._ahead:
            self._ahead.popleft()
        self._ends[lane] = now + seconds

    def end(self, lane: int) -> None:
        """Make `lane` idle."""
        self._ends[lane] = None

    def free_at(self, now: float) -> float:
        """Return when a batch sealed now could start, after all those sealed before it."""
        ends = [now if end is None else max(now, end) for end in self._ends]
        heapify(ends)
        for seconds in self._ahead:
            heapreplace(ends, ends[0] + seconds)
        return ends[0]

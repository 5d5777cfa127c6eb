"""When a device can take another batch: each lane runs one batch, and sealed batches wait in order."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heapreplace


class Lanes:
    """Predicted ends of the running batches, and durations of the waiting ones; in the caller's clock."""

    def __init__(self, count: int = 1) -> None:
        """Begin with `count` idle lanes."""
        self._ends: list[float | None] = [None] * count
        self._ahead: deque[float] = deque()

    def promise(self, seconds: float) -> None:
        """Note a sealed batch that will run for `seconds`."""
        self._ahead.append(seconds)

    def withdraw(self) -> None:
        """Note that the batch sealed last will not run, because none of its jobs was claimed."""
        if self._ahead:
            self._ahead.pop()

    def start(self, lane: int, now: float, seconds: float) -> None:
        """Note that the first waiting batch begins on `lane`."""
        if self._ahead:
            self._ahead.popleft()
        self._ends[lane] = now + seconds

    def end(self, lane: int) -> None:
        """Note that `lane` is idle."""
        self._ends[lane] = None

    def free_at(self, now: float) -> float:
        """Return when a batch sealed now could begin, after all batches that were sealed before."""
        ends = [now if end is None else max(now, end) for end in self._ends]
        heapify(ends)
        for seconds in self._ahead:
            heapreplace(ends, ends[0] + seconds)
        return ends[0]

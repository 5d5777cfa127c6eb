"""Predicts when a device can start another batch: each lane runs one, and sealed batches wait in order."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heapreplace

from jobs.core.batching.lane_choice import Lane, most_slow


class Lanes:
    """The predicted ends of running batches, and the seconds of waiting ones; the caller gives the time."""

    def __init__(self, count: int = 1, *, worker: Lane = Lane.AUTO) -> None:
        """Start with `count` idle lanes of a worker for one lane or, with AUTO, for both."""
        self._ends: list[float | None] = [None] * count
        self._ahead: deque[tuple[float, bool]] = deque()
        self._slow = [False] * count
        self._most_slow = most_slow(count, worker)

    def promise(self, seconds: float, *, slow: bool = False) -> None:
        """Record a sealed batch that will run for `seconds`."""
        self._ahead.append((seconds, slow))

    def withdraw(self) -> None:
        """Remove the batch that was sealed last, because no job of it was claimed."""
        if self._ahead:
            self._ahead.pop()

    def start(self, lane: int, now: float, seconds: float) -> None:
        """Start the first waiting batch on `lane`."""
        if self._ahead:
            _, self._slow[lane] = self._ahead.popleft()
        self._ends[lane] = now + seconds

    def end(self, lane: int) -> None:
        """Make `lane` idle."""
        self._ends[lane], self._slow[lane] = None, False

    @property
    def takes_slow(self) -> bool:
        """Return whether a slow batch may be sealed now: else those that run or wait hold all they may."""
        if self._most_slow is None:
            return True
        return sum(self._slow) + sum(slow for _, slow in self._ahead) < self._most_slow

    def free_at(self, now: float) -> float:
        """Return when a batch sealed now could start, after all those sealed before it."""
        ends = [now if end is None else max(now, end) for end in self._ends]
        heapify(ends)
        for seconds, _ in self._ahead:
            heapreplace(ends, ends[0] + seconds)
        return ends[0]

"""How deep a queue of the broker is kept, and how much of it a worker may hold. Pure.

A client that has little to do must find a place in a worker's hands at once: where messages wait in the
broker, every worker's are taken, and the next is free when a whole batch has been acknowledged. So the queue
holds what is before the workers and no more, unless they are so quick that a batch is no time to wait.
"""

from __future__ import annotations

AHEAD_LEAST, AHEAD_BATCHES = 512, 4  # jobs before a worker; the least is a window to match lengths in
HELD_BATCHES = 6  # claimed, running on some lane, or stored and not acknowledged yet
SPARE = 64  # places for those who have little in flight
DRAIN_S = 0.4  # what is taken so soon may wait in the broker: many rows at a look share messages
DRAIN_MOST = 2_000
LOOK_S = 0.1
_LEARN = 0.2


def ahead(max_batch: int) -> int:
    """Return how many jobs are put before one worker, claimed ones not counted."""
    return max(AHEAD_LEAST, AHEAD_BATCHES * max_batch)


def prefetch(max_batch: int) -> int:
    """Return how many messages a worker may hold: what is put before it, what it runs, and some more."""
    return ahead(max_batch) + HELD_BATCHES * max_batch + SPARE


class Depth:
    """One queue's; learns what its workers take a second from what leaves it."""

    def __init__(self, fixed: int = 0) -> None:
        """Begin with nothing known; the depth is `fixed` where an operator chose one."""
        self._fixed = fixed
        self._taken_per_s = 0.0
        self._published = 0
        self._before: tuple[float, int] | None = None

    def published(self, jobs: int) -> None:
        """Note jobs that were put into the queue."""
        self._published += jobs

    def look(self, held: int, *, workers: int, max_batch: int, now: float) -> int:
        """Return how many jobs may be in flight, where `held` are now."""
        self._learn(held, now)
        soon = min(int(self._taken_per_s * DRAIN_S), DRAIN_MOST)
        return self._fixed or max(soon, max(workers, 1) * ahead(max_batch))

    def _learn(self, held: int, now: float) -> None:
        if self._before is None:
            self._before, self._published = (now, held), 0
            return
        at, before = self._before
        if now - at < LOOK_S:
            return
        per_s = max(0.0, (before + self._published - held) / (now - at))
        self._taken_per_s += _LEARN * (per_s - self._taken_per_s)
        self._before, self._published = (now, held), 0

"""How many jobs a queue of the broker holds, and how many of them a worker may hold. Pure.

A job of a quiet client must reach a worker at once. While messages wait in the broker, every worker is full,
and room comes only when a batch has been acknowledged. So the queue holds as much as the workers prefetch and
no more, unless the workers are so fast that a batch takes hardly any time.
"""

from __future__ import annotations

AHEAD_LEAST, AHEAD_BATCHES = (
    512,
    4,
)  # jobs ahead of a worker; the least is a window in which lengths are matched
HELD_BATCHES = 6  # claimed, running, or stored and not acknowledged yet
SPARE = 64  # places for jobs of quiet clients
BACKLOG_S = 0.4  # so much may wait in the broker if workers are fast: bundles need many rows at once
BACKLOG_MOST = 2_000
LOOK_S = 0.1
_LEARN = 0.2


def ahead(max_batch: int) -> int:
    """Return how many jobs wait ahead of one worker, claimed jobs not counted."""
    return max(AHEAD_LEAST, AHEAD_BATCHES * max_batch)


def prefetch(max_batch: int) -> int:
    """Return how many messages a worker may hold: the jobs ahead of it, those that it runs, some spare."""
    return ahead(max_batch) + HELD_BATCHES * max_batch + SPARE


class Depth:
    """The depth of one queue; learns how many jobs its workers take a second."""

    def __init__(self, fixed: int = 0) -> None:
        """Begin without measurements; `fixed` is the depth that an operator chose, 0 for none."""
        self._fixed = fixed
        self._taken_per_s = 0.0
        self._published = 0
        self._last: tuple[float, int] | None = None

    def published(self, jobs: int) -> None:
        """Count jobs that were published to the queue."""
        self._published += jobs

    def look(self, held: int, *, workers: int, max_batch: int, now: float) -> int:
        """Return how many jobs may be in flight; `held` are in flight now."""
        self._learn(held, now)
        backlog = min(int(self._taken_per_s * BACKLOG_S), BACKLOG_MOST)
        return self._fixed or max(backlog, max(workers, 1) * ahead(max_batch))

    def _learn(self, held: int, now: float) -> None:
        if self._last is None:
            self._last, self._published = (now, held), 0
            return
        at_s, last_held = self._last
        if now - at_s < LOOK_S:
            return
        per_s = max(0.0, (last_held + self._published - held) / (now - at_s))
        self._taken_per_s += _LEARN * (per_s - self._taken_per_s)
        self._last, self._published = (now, held), 0

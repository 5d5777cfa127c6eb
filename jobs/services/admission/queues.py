"""What waits for each model, kept in the process: read twice a second, reckoned on in between."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import LiteralString

from jobs.core.admission.queue_estimate import Line, QueueCount, QueueEstimate
from jobs.core.errors import UnavailableError
from jobs.db.positional import Row, fetch_all

KEPT_S = 0.5
STALE_S = 120.0  # nobody has counted for so long: nothing is known
OWN_S = 2.0  # over so long before a count this process's part of what came is measured
_SLOTS_PER_S = 10
READ: LiteralString = """
SELECT queue, waiting, head_age_s, mean_age_s, per_s, answer_s, arriving_per_s, by_client,
  extract(epoch FROM now() - counted_at)::float8
FROM jobs_queuestanding WHERE counted_at > now() - make_interval(secs => %s)
"""
_Slot = tuple[int, Counter[tuple[int, int]]]  # jobs by priority and client


class Queues:
    """The queues as this process knows them; safe on threads."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._lock, self._reading = Lock(), Lock()
        self._read_s = float("-inf")
        self._known: dict[str, QueueEstimate] = {}
        self._own: dict[str, deque[_Slot]] = defaultdict(deque)

    def fresh(self) -> None:
        """Read what was counted, where this process has not lately; one thread does, no other waits."""
        if monotonic() - self._read_s < KEPT_S or not self._reading.acquire(blocking=False):
            return
        try:
            with suppress(UnavailableError):
                self.take_in(fetch_all(READ, (STALE_S,)))
        finally:
            self._read_s = monotonic()
            self._reading.release()

    def take_in(self, rows: list[Row]) -> None:
        """Begin anew from rows of `READ`."""
        now = monotonic()
        with self._lock:
            self._known = {row[0]: self._reckoning(row, now) for row in rows}

    def line(self, queue: str, priority: int, client: int) -> tuple[Line, QueueCount] | None:
        """Return what waits before a client's next job, and the count; None where nobody counted."""
        self.fresh()
        with self._lock:
            known = self._known.get(queue)
            return None if known is None else (known.line(priority, client, monotonic()), known.standing)

    def ahead_of(
        self, queue: str, priority: int, client: int, *, age_s: float
    ) -> tuple[int, QueueCount] | None:
        """Return about how many jobs wait before one that was made `age_s` ago, and the count."""
        self.fresh()
        with self._lock:
            known = self._known.get(queue)
            if known is None:
                return None
            return known.ahead_of(priority, client, monotonic(), age_s=age_s), known.standing

    def note(self, queue: str, priority: int, client: int, jobs: int = 1) -> None:
        """Note jobs that this process admits."""
        now = monotonic()
        slot = int(now * _SLOTS_PER_S)
        with self._lock:
            own = self._own[queue]
            if not own or own[-1][0] != slot:
                own.append((slot, Counter()))
                _forget(own, slot)
            own[-1][1][priority, client] += jobs
            if known := self._known.get(queue):
                known.add(priority, client, jobs, now)

    def _reckoning(self, row: Row, now: float) -> QueueEstimate:
        queue, waiting, head_s, mean_s, per_s, answer_s, arriving_per_s, by_client, age_s = row
        whose = tuple({int(client): count for client, count in line.items()} for line in by_client)
        counts = tuple(waiting), tuple(head_s), tuple(mean_s)
        standing = QueueCount(*counts, per_s, answer_s, arriving_per_s, whose)
        counted_s, own = now - max(0.0, age_s), self._own[queue]
        before = sum(jobs.total() for at_s, jobs in _timed(own) if counted_s - OWN_S < at_s <= counted_s)
        made = QueueEstimate(standing, counted_s, before / OWN_S)
        made.replay(
            (at_s, priority, client, jobs)
            for at_s, noted in _timed(own)
            for (priority, client), jobs in noted.items()
        )
        return made


def _timed(own: deque[_Slot]) -> Iterator[tuple[float, Counter[tuple[int, int]]]]:
    return (((slot + 0.5) / _SLOTS_PER_S, jobs) for slot, jobs in own)


def _forget(own: deque[_Slot], slot: int) -> None:
    while own[0][0] < slot - (STALE_S + OWN_S) * _SLOTS_PER_S:
        own.popleft()


queues = Queues()


def forget_queues() -> None:
    """Drop what is kept, so that the next read sees the database."""
    queues.__init__()  # type: ignore[misc]  # as new

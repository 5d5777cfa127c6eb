"""What waits for each model, as this process sees it: read twice a second, estimated in between."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from jobs.core.admission.queue_count import QueueCount, Span
from jobs.core.admission.queue_estimate import QueuePlace
from jobs.core.admission.queue_view import READ_EVERY_S, STALE_S, QueueView
from jobs.core.errors import UnavailableError
from jobs.core.queue_names import slow_queue
from jobs.core.relay.slow_rows import SlowFrom, is_slow_input
from jobs.db.statement import Statement, fetch_all


class QueueRow(NamedTuple):
    """A queue's last count; the lists are by priority."""

    queue: str
    waiting: list[int]
    head_age_s: list[float]
    mean_age_s: list[float]
    per_s: float | None
    answer_s: float
    arriving_per_s: float
    by_client: list[dict[str, int]]
    spans: list[dict[str, tuple[float, float, str, str]]]
    workers: int
    worker_per_s: float | None
    start_s: float | None
    slow_from: dict[str, int]
    counted_age_s: float


READ = Statement(
    """
SELECT queue, waiting, head_age_s, mean_age_s, per_s, answer_s, arriving_per_s, by_client, spans,
  workers, worker_per_s, start_s, slow_from, extract(epoch FROM now() - counted_at)::float8 AS counted_age_s
FROM jobs_queuestanding WHERE counted_at > now() - make_interval(secs => %(stale_s)s)
""",
    QueueRow,
)


class Queues:
    """A view of each queue; safe on threads."""

    def __init__(self) -> None:
        self._lock, self._reading = Lock(), Lock()
        self._read_s = float("-inf")
        self._views = defaultdict[str, QueueView](QueueView)
        self._slow_from: SlowFrom = {}

    @property
    def used_life(self) -> float:
        """Return the part of its time that the last read has stood; 1 or more: the next call reads."""
        return (monotonic() - self._read_s) / READ_EVERY_S

    def refresh(self) -> None:
        """Read the counts if the last read is too old."""
        if self.used_life >= 1:
            self.read()

    def read(self) -> None:
        """Read the counts; one thread reads and the others go on without."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            with suppress(UnavailableError):
                self.renew(fetch_all(READ, {"stale_s": STALE_S}))
        finally:
            self._read_s = monotonic()
            self._reading.release()

    def renew(self, rows: list[QueueRow]) -> None:
        """Estimate from rows of `READ` on; a queue without a row has no estimate any more."""
        now = monotonic()
        with self._lock:
            for view in self._views.values():
                view.estimate = None
            for row in rows:
                self._views[row.queue].renew(_count(row), now - max(0.0, row.counted_age_s))
            self._slow_from = {int(name): size for row in rows for name, size in row.slow_from.items()}

    @property
    def any_slow(self) -> bool:
        """Return whether any jobs go to a slow lane, by the last count."""
        self.refresh()
        return bool(self._slow_from)

    def slow_from(self, version: int) -> int | None:
        """Return the size of an input from which on jobs of a version go to the slow lane; None for none."""
        self.refresh()
        return self._slow_from.get(version)

    def queue_of(self, model: str, version: int, size: int) -> str:
        """Return the queue that a job of the version waits in, by the last count: the model's or the slow."""
        self.refresh()
        return slow_queue(model) if is_slow_input(self._slow_from, version, size) else model

    def place(self, queue: str, priority: int, client: int) -> tuple[QueuePlace, QueueCount] | None:
        """Return what waits before a client's next job, and the count; None where there is no count."""
        self.refresh()
        with self._lock:
            estimate = self._views[queue].estimate
            if estimate is None:
                return None
            return estimate.place(priority, client, monotonic()), estimate.count

    def ahead_of(
        self, queue: str, priority: int, client: int, *, age_s: float, job: UUID | None = None
    ) -> tuple[int, QueueCount] | None:
        """Return about how many jobs are ahead of one submitted `age_s` ago, and the count."""
        self.refresh()
        with self._lock:
            estimate = self._views[queue].estimate
            if estimate is None:
                return None
            ahead = estimate.ahead_of(priority, client, monotonic(), age_s=age_s, job=job)
            return ahead, estimate.count

    def add(self, queue: str, priority: int, client: int, jobs: int = 1) -> None:
        """Record jobs that this process admits."""
        with self._lock:
            self._views[queue].add(priority, client, jobs, monotonic())


def _count(row: QueueRow) -> QueueCount:
    return QueueCount(
        waiting=tuple(row.waiting),
        head_age_s=tuple(row.head_age_s),
        mean_age_s=tuple(row.mean_age_s),
        per_s=row.per_s,
        answer_s=row.answer_s,
        arriving_per_s=row.arriving_per_s,
        by_client=tuple({int(client): jobs for client, jobs in level.items()} for level in row.by_client),
        spans=tuple({int(client): Span(*span) for client, span in level.items()} for level in row.spans),
        workers=row.workers,
        worker_per_s=row.worker_per_s,
        start_s=row.start_s,
    )


queues = Queues()


def forget_queues() -> None:
    """Drop all views, so that the next call reads the database."""
    queues.__init__()  # type: ignore[misc]  # as new

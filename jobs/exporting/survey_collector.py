"""The surveyor's count, live roll-outs, expired flags and the database's copies, on every page of metrics.

Nothing is counted anew, so all pages of all processes show the same. While the database is away, a page says
so, and has what was read before, until the count is too old; then only its age is left.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock, Thread

import psycopg
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from jobs import metrics
from jobs.exporting.page_reading import PageReading, read_page
from jobs.services.admission.survey_reads import SurveyedQueue
from jobs.services.drift.drift_figures import DriftFigure
from jobs.services.reads.server_copies import ServerCopies
from jobs.services.rollouts.rollout_figures import RolloutFigures
from jobs.services.shadow.shadow_figures import ShadowFigures

log = logging.getLogger(__name__)
READ_EVERY_S = 1.0
PATIENCE_S = 1.0  # a page waits no longer for the database
STALE_S = 10.0  # an older count is not shown


class SurveyCollector(Collector):
    """Reads at most once a second, however many ask for pages."""

    def __init__(
        self,
        read: Callable[[], PageReading] = read_page,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to read; `clock` returns monotonic seconds."""
        self._read, self._clock = read, clock
        self._lock = Lock()
        self._began_s = float("-inf")
        self._thread: Thread | None = None
        self._reading: tuple[PageReading, float] | None = None
        self._failed = False

    def collect(self) -> Iterable[Metric]:
        """Yield whether the database answers, the age of the last count, and it if it is not too old."""
        answered = self._renew()
        yield metrics.DATABASE_UP.family([((), int(answered and not self._failed))])
        if self._reading is None:
            return
        reading, at_s = self._reading
        since_s = self._clock() - at_s
        if since_s <= STALE_S and reading.copies is not None:
            yield from _copies(reading.copies)
        if since_s <= STALE_S and reading.flags:
            expired = reading.flags
            yield metrics.FLAG_EXPIRED.family(((flag.name,), flag.expired_s + since_s) for flag in expired)
        if not reading.queues:
            return
        age_s = min(queue.age_s for queue in reading.queues) + since_s
        yield metrics.SURVEY_AGE.family([((), age_s)])
        if age_s <= STALE_S:
            yield from _figures(reading.queues)
            yield from _rollouts(reading.rollouts, since_s) if reading.rollouts else ()
            yield from _drift(reading.drift) if reading.drift else ()
            yield from _shadows(reading.shadows) if reading.shadows else ()

    def _renew(self) -> bool:
        """Wait for a read that is not older than a second; return whether it has ended.

        A slow one goes on beside the page.
        """
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            if not running and self._clock() - self._began_s >= READ_EVERY_S:
                self._began_s = self._clock()
                self._thread = Thread(target=self._read_once, name="survey-reader", daemon=True)
                self._thread.start()
            thread, left_s = self._thread, self._began_s + PATIENCE_S - self._clock()
        if thread is not None:
            thread.join(max(0.0, left_s))
        return thread is None or not thread.is_alive()

    def _read_once(self) -> None:
        began_s, self._failed = self._clock(), True
        try:
            self._reading = self._read(), began_s
            self._failed = False
        except psycopg.Error as error:
            log.debug("the survey cannot be read: %s", error)  # each page would say it again


def _figures(queues: Sequence[SurveyedQueue]) -> Iterator[Metric]:
    yield metrics.QUEUE_JOBS.family(
        ((queue.queue, str(priority)), jobs)
        for queue in queues
        for priority, jobs in enumerate(queue.waiting)
    )
    yield metrics.QUEUE_OLDEST.family(((queue.queue,), max(queue.head_age_s)) for queue in queues)
    yield metrics.ARRIVALS.family(((queue.queue,), queue.arrivals_per_s) for queue in queues)
    yield metrics.DRAIN.family(((queue.queue,), queue.per_s) for queue in queues)
    yield metrics.BACKLOG.family(((queue.queue,), _backlog_s(queue)) for queue in queues)
    yield metrics.WORKERS.family(
        ((queue.queue, state), number) for queue in queues for state, number in _workers(queue)
    )
    yield metrics.WORKERS_WANTED.family(((queue.queue,), queue.workers_wanted) for queue in queues)
    yield metrics.DEAD_LETTERS.family(((queue.queue,), queue.dead_letters) for queue in queues)
    yield metrics.GOAL.family(((queue.queue,), queue.goal_s) for queue in queues)


def _rollouts(rollouts: Sequence[RolloutFigures], since_s: float) -> Iterator[Metric]:
    names = {(rollout.model, rollout.alias): rollout for rollout in rollouts}
    yield metrics.ROLLOUT_SHARE.family((name, one.share) for name, one in names.items())
    yield metrics.ROLLOUT_MET.family((name, one.met) for name, one in names.items())
    yield metrics.ROLLOUT_BUDGET.family((name, one.budget) for name, one in names.items())
    yield metrics.ROLLOUT_E_VALUE.family(
        ((*name, test), e) for name, one in names.items() for test, e in one.e_values.items()
    )
    yield metrics.ROLLOUT_HELD.family(
        ((*name, one.hold), one.held_s + since_s) for name, one in names.items() if one.hold
    )


def _drift(figures: Sequence[DriftFigure]) -> Iterator[Metric]:
    drifting = Counter({(one.model, one.version): 0 for one in figures})
    drifting.update((one.model, one.version) for one in figures if one.drifts)
    yield metrics.DRIFT_FIELDS.family(drifting.items())
    yield metrics.DRIFT_PSI.family(((one.model, one.version, one.field), one.psi) for one in figures)


def _shadows(shadows: Sequence[ShadowFigures]) -> Iterator[Metric]:
    names = {(shadow.model, shadow.alias): shadow for shadow in shadows}
    yield metrics.SHADOW_COPIES.family(
        ((*name, fate), number) for name, one in names.items() for fate, number in one.copies.items()
    )
    yield metrics.SHADOW_FAILED.family((name, one.failed) for name, one in names.items())
    yield metrics.SHADOW_STOPPED.family((name, int(one.stopped)) for name, one in names.items())
    yield metrics.SHADOW_AGREEMENT.family(
        (name, one.agreed / one.compared) for name, one in names.items() if one.compared
    )


def _copies(copies: ServerCopies) -> Iterator[Metric]:
    yield metrics.ARCHIVE_FAILING.family([((), copies.archive_failing_s)])
    yield metrics.SLOT_ACTIVE.family(((slot.slot,), int(slot.active)) for slot in copies.slots)
    yield metrics.SLOT_BEHIND.family(((slot.slot,), slot.behind_bytes) for slot in copies.slots)


def _backlog_s(queue: SurveyedQueue) -> float | None:
    waiting = sum(queue.waiting)
    if not waiting:
        return 0.0
    return waiting / queue.per_s if queue.per_s else None


def _workers(queue: SurveyedQueue) -> Iterator[tuple[str, int | None]]:
    idle = None if queue.busy is None else max(0, queue.workers - queue.busy)
    yield from (("busy", queue.busy), ("idle", idle), ("silent", queue.silent))

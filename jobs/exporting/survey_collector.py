"""The surveyor's count, and what else the database knows, on every page of metrics.

Nothing is counted anew, so all pages of all processes show the same. While the database is away, a page says
so, and has what was read before, until that is too old; of the count only its age is left then. Whether the
database answers is said by the count alone: what else is slow or locked is absent, and named.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock, Thread
from typing import Any

import psycopg
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from jobs import metrics
from jobs.exporting.page_reading import PARTS, QUEUES, PagePart, read_page
from jobs.services.admission.survey_reads import SurveyedQueue
from jobs.services.drift.drift_figures import DriftFigure
from jobs.services.flags.flag_views import ExpiredFlag
from jobs.services.reads.server_copies import ServerCopies
from jobs.services.rollouts.rollout_figures import RolloutFigures
from jobs.services.shadow.shadow_figures import ShadowFigures

log = logging.getLogger(__name__)
READ_EVERY_S = 1.0
PATIENCE_S = 1.0  # a page waits no longer for the database
STALE_S = 10.0  # an older count is not shown
PART_STALE_S = 30.0  # of the rest: a slow database reads it after the page, for the next one


class SurveyCollector(Collector):
    """Reads at most once a second, however many ask for pages."""

    def __init__(
        self,
        read: Callable[[], Iterable[PagePart]] = read_page,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to read; `clock` returns monotonic seconds."""
        self._read, self._clock = read, clock
        self._lock = Lock()
        self._began_s = float("-inf")
        self._thread: Thread | None = None
        self._parts: dict[str, tuple[Any, float]] = {}  # what was read last, and when
        self._answered = False  # whether the read that began last has the count of the queues

    def collect(self) -> Iterable[Metric]:
        """Yield whether the database answers, the age of the last count, and all that is not too old."""
        self._renew()
        now_s = self._clock()
        up = self._answered and now_s - self._began_s <= STALE_S
        yield metrics.DATABASE_UP.family([((), int(up))])
        ages = {part: (read, now_s - at_s) for part, (read, at_s) in self._parts.copy().items()}
        fresh = {part: read for part, read in ages.items() if read[1] <= PART_STALE_S}
        yield metrics.PAGE_UNREAD.family(((part,), int(part not in fresh)) for part in PARTS)
        yield from _queues(*ages.get(QUEUES, ((), 0.0)))
        for part, (read, since_s) in fresh.items():
            if part != QUEUES:
                yield from _SHOWN[part](read, since_s)

    def _renew(self) -> None:
        """Wait for a read that is not older than a second, for a second at most.

        A slow one goes on beside the page.
        """
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            if not running and self._clock() - self._began_s >= READ_EVERY_S:
                self._began_s, self._answered = self._clock(), False
                self._thread = Thread(target=self._read_once, name="survey-reader", daemon=True)
                self._thread.start()
            thread, left_s = self._thread, self._began_s + PATIENCE_S - self._clock()
        if thread is not None:
            thread.join(max(0.0, left_s))

    def _read_once(self) -> None:
        """Keep each part as soon as it is read; that of the queues comes first."""
        began_s = self._began_s
        try:
            for part, read in self._read():
                self._parts[part] = (read, began_s)
                self._answered, began_s = True, self._clock()
        except psycopg.Error as error:
            log.debug("the survey cannot be read: %s", error)  # each page would say it again


def _queues(queues: Sequence[SurveyedQueue], since_s: float) -> Iterator[Metric]:
    if not queues:
        return
    age_s = min(queue.age_s for queue in queues) + since_s
    yield metrics.SURVEY_AGE.family([((), age_s)])
    if age_s <= STALE_S:
        yield from _figures(queues)


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
    if not rollouts:
        return
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


def _flags(flags: Sequence[ExpiredFlag], since_s: float) -> Iterator[Metric]:
    if flags:
        yield metrics.FLAG_EXPIRED.family(((flag.name,), flag.expired_s + since_s) for flag in flags)


def _drift(figures: Sequence[DriftFigure], _since_s: float) -> Iterator[Metric]:
    if not figures:
        return
    drifting = Counter({(one.model, one.version): 0 for one in figures})
    drifting.update((one.model, one.version) for one in figures if one.drifts)
    yield metrics.DRIFT_FIELDS.family(drifting.items())
    yield metrics.DRIFT_PSI.family(((one.model, one.version, one.field), one.psi) for one in figures)


def _shadows(shadows: Sequence[ShadowFigures], _since_s: float) -> Iterator[Metric]:
    if not shadows:
        return
    names = {(shadow.model, shadow.alias): shadow for shadow in shadows}
    yield metrics.SHADOW_COPIES.family(
        ((*name, fate), number) for name, one in names.items() for fate, number in one.copies.items()
    )
    yield metrics.SHADOW_FAILED.family((name, one.failed) for name, one in names.items())
    yield metrics.SHADOW_STOPPED.family((name, int(one.stopped)) for name, one in names.items())
    yield metrics.SHADOW_AGREEMENT.family(
        (name, one.agreed / one.compared) for name, one in names.items() if one.compared
    )


def _copies(copies: ServerCopies, _since_s: float) -> Iterator[Metric]:
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


_SHOWN: Mapping[str, Callable[[Any, float], Iterator[Metric]]] = {
    "rollouts": _rollouts,
    "shadows": _shadows,
    "drift": _drift,
    "flags": _flags,
    "copies": _copies,
}

"""The surveyor: counts what waits for each model about twice a second, so that no request has to."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from threading import Event

import sqlalchemy as sa

from jobs import metrics
from jobs.core.admission.queue_count import COUNT_EVERY_S, QueueCount
from jobs.core.admission.queue_survey import LedgerCount, QueueSurvey
from jobs.core.admission.workers_wanted import workers_wanted
from jobs.db import database_clock, leases
from jobs.db.listen_loop import ListenLoop
from jobs.services.admission import survey_statements
from jobs.services.admission.horizon_watch import HorizonWatch
from jobs.services.admission.model_facts import ModelFact, ModelFacts
from jobs.services.admission.survey_statements import QueueFigures, WorkerCount
from jobs.services.admission.waiting_count import WaitingCount

MEASURE_EVERY_S = 5.0  # how far the host's clock is from the database's
PATIENCE = 3.0  # a count may take so many times as long as the last one before another process takes over
DUTY = 20.0  # the pause is so many times as long as the count: millions of rows are counted less often
_NO_BATCHES = LedgerCount()
_NO_JOBS = QueueCount()
_NO_WORKERS = WorkerCount()


class QueueSurveyor(ListenLoop):
    """Counts until stopped; one process at a time does."""

    office = leases.SURVEYOR

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to count; `clock` returns monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._surveys = defaultdict[str, QueueSurvey](QueueSurvey)
        self._waiting, self._horizon = WaitingCount(clock=clock), HorizonWatch(clock=clock)
        self._facts, self._measure_at = ModelFacts(clock=clock), 0.0
        self._counted_s: float | None = None
        self._took_s = 0.0

    @property
    def pause_s(self) -> float:
        """Return the seconds until the next count: half a second, more where counting takes long."""
        return max(COUNT_EVERY_S, DUTY * self._took_s)

    def interrupted(self) -> None:
        """Measure rates from the next count on, because the changes before it are not known."""
        self._counted_s = None

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Count once."""
        leases.keep(session, PATIENCE * self._took_s)
        began_s = self._clock()
        try:
            self.survey(session)
        finally:
            self._took_s = self._clock() - began_s
        self._horizon.look(session)
        if self._clock() >= self._measure_at:
            self._measure_at = self._clock() + MEASURE_EVERY_S
            database_clock.measure(session)

    def survey(self, session: sa.Connection) -> dict[str, QueueCount]:
        """Count every queue once, store the counts and return them."""
        began_s = self._clock()
        since_s = None if self._counted_s is None else max(1e-3, began_s - self._counted_s)
        waiting, workers = self._waiting.count(session), survey_statements.workers(session)
        ledger = survey_statements.ledger(session, since_s=since_s or COUNT_EVERY_S)
        facts = self._facts.read(session)
        counts = {
            queue: self._surveys[queue].observe(
                waiting.get(queue, _NO_JOBS),
                ledger.get(queue, _NO_BATCHES),
                workers=workers.get(queue, _NO_WORKERS).live,
                since_s=since_s,
            )
            for queue in {*waiting, *workers, *ledger, *facts}
        }
        figures = {
            queue: _figures(count, workers.get(queue, _NO_WORKERS), facts.get(queue))
            for queue, count in counts.items()
        }
        self._counted_s = began_s
        survey_statements.store(session, counts, figures, age_s=self._clock() - began_s)
        metrics.SURVEY_TIME.observe(self._clock() - began_s)
        return counts


def _figures(count: QueueCount, workers: WorkerCount, fact: ModelFact | None) -> QueueFigures:
    goal_s = None if fact is None else fact.goal_s
    wanted = workers_wanted(
        arrivals_per_s=count.arrivals_per_s or 0.0,
        waiting=sum(count.waiting),
        worker_per_s=count.worker_per_s,
        goal_s=goal_s or 0.0,
        busy=workers.busy,
    )
    return QueueFigures(workers.busy, workers.silent, wanted, goal_s, fact.dead_letters if fact else None)

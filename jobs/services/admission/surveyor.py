"""The surveyor: counts what waits for each model about twice a second, so that no request has to."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from threading import Event

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs import metrics
from jobs.core.admission.queue_count import COUNT_EVERY_S, QueueCount
from jobs.core.admission.queue_survey import LedgerCount, QueueSurvey
from jobs.db import advisory_locks
from jobs.db.session import open_session
from jobs.services.admission import survey_statements

log = logging.getLogger(__name__)

DUTY = 20.0  # the pause is so many times as long as the count: millions of rows are counted less often
RETRY_S = 1.0
_NO_BATCHES = LedgerCount()
_NO_JOBS = QueueCount()


class QueueSurveyor:
    """Counts until `stop` is set; among several processes only the holder of an advisory lock counts."""

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to count; `clock` returns monotonic seconds."""
        self._stop, self._clock = stop, clock
        self._surveys = defaultdict[str, QueueSurvey](QueueSurvey)
        self._counted_s: float | None = None

    def run(self) -> None:
        """Count until stopped; an error ends one count, never the surveyor."""
        while not self._stop.is_set():
            try:
                with open_session() as session:
                    self._serve(session)
            except (DBAPIError, psycopg.Error) as error:
                log.warning("queues are not counted for %.0f s: %s", RETRY_S, str(error).splitlines()[0])
                self._counted_s = None
                self._stop.wait(RETRY_S)

    def _serve(self, session: sa.Connection) -> None:
        while not advisory_locks.try_lock(session, advisory_locks.SURVEYOR):
            if self._stop.wait(RETRY_S):
                return
        while not self._stop.is_set():
            began_s = self._clock()
            self.survey(session)
            self._stop.wait(max(COUNT_EVERY_S, DUTY * (self._clock() - began_s)))

    def survey(self, session: sa.Connection) -> dict[str, QueueCount]:
        """Count every queue once, store the counts and return them."""
        began_s = self._clock()
        since_s = None if self._counted_s is None else max(1e-3, began_s - self._counted_s)
        waiting, workers = survey_statements.waiting(session), survey_statements.workers(session)
        ledger = survey_statements.ledger(session, since_s=since_s or COUNT_EVERY_S)
        counts = {
            queue: self._surveys[queue].observe(
                waiting.get(queue, _NO_JOBS),
                ledger.get(queue, _NO_BATCHES),
                workers=workers.get(queue, 0),
                since_s=since_s,
            )
            for queue in {*waiting, *workers, *ledger}
        }
        self._counted_s = began_s
        survey_statements.store(session, counts, age_s=self._clock() - began_s)
        metrics.SURVEY_TIME.observe(self._clock() - began_s)
        return counts

"""The surveyor: counts what waits for each model about twice a second, so that no request has to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs import metrics
from jobs.core.admission.drain_rate import DrainRate
from jobs.core.admission.queue_estimate import QueueCount
from jobs.db import advisory_locks
from jobs.db.session import open_session
from jobs.services.admission import survey_statements

log = logging.getLogger(__name__)

EVERY_S = 0.5
DUTY = 20.0  # a count of millions of rows takes a while: it is the less often made
AGAIN_S = 1.0
_NONE = survey_statements.Runs(0, 0, None)
_EMPTY = QueueCount()


class QueueSurveyor:
    """Surveys until `stop` is set; of several only one, the holder of an advisory lock."""

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to survey; `clock` is monotonic seconds."""
        self._stop, self._clock = stop, clock
        self._rates: dict[str, DrainRate] = {}
        self._before: dict[str, int] = {}
        self._looked_at: float | None = None

    def run(self) -> None:
        """Survey until stopped; an error breaks one survey off, never the surveyor."""
        while not self._stop.is_set():
            try:
                with open_session() as session:
                    self._serve(session)
            except (DBAPIError, psycopg.Error) as error:
                log.warning("nothing is counted for %.0f s: %s", AGAIN_S, str(error).splitlines()[0])
                self._looked_at = None
                self._stop.wait(AGAIN_S)

    def _serve(self, session: sa.Connection) -> None:
        while not advisory_locks.try_lock(session, advisory_locks.SURVEYOR):
            if self._stop.wait(AGAIN_S):
                return
        while not self._stop.is_set():
            began_s = self._clock()
            self.look(session)
            self._stop.wait(max(EVERY_S, DUTY * (self._clock() - began_s)))

    def look(self, session: sa.Connection) -> dict[str, QueueCount]:
        """Survey once, and return and keep what was found."""
        began_s = self._clock()
        seconds = EVERY_S if self._looked_at is None else max(1e-3, began_s - self._looked_at)
        counts, serving = survey_statements.waiting(session), survey_statements.workers(session)
        runs = survey_statements.runs(session, since_s=seconds)
        standings = {
            queue: self._standing(
                queue, counts.get(queue, _EMPTY), runs.get(queue, _NONE), serving.get(queue, 0), seconds
            )
            for queue in {*counts, *serving, *runs}
        }
        self._looked_at = began_s
        survey_statements.keep(session, standings, age_s=self._clock() - began_s)
        metrics.SURVEY_TIME.observe(self._clock() - began_s)
        return standings

    def _standing(
        self, queue: str, count: QueueCount, runs: survey_statements.Runs, workers: int, seconds: float
    ) -> QueueCount:
        rate, waiting = self._rates.setdefault(queue, DrainRate()), sum(count.waiting)
        per_s = rate.look(waiting=waiting, ended=runs.ended, seconds=seconds, workers=workers, ran=runs.ran)
        here = waiting + runs.running
        came = max(0, here - self._before.get(queue, here) + runs.ended) if self._looked_at is not None else 0
        self._before[queue] = here
        answer_s = rate.ran.answer_s if rate.ran else 0.0
        return replace(count, per_s=per_s, answer_s=answer_s, arriving_per_s=came / seconds)

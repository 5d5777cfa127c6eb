"""The sweeper: takes back the jobs of dead workers and expires jobs that waited past their deadline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs import metrics
from jobs.db import advisory_locks
from jobs.db.session import open_session, transaction
from jobs.db.statement import Statement, run
from jobs.services.lifecycle import reap as sweep

log = logging.getLogger(__name__)

EVERY_S = 1.0
STALE_S = 15.0
LONGEST_GAP_S = 10.0
MOST_BATCHES = 100
MOST_JOBS = 500
_PING = Statement("SELECT 1", int)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did, in jobs."""

    reaped: int
    expired: int


class Rescuer:
    """Sweeps until `stop` is set; of several only one, the holder of an advisory lock."""

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to sweep; `clock` is monotonic seconds."""
        self._stop = stop
        self._clock = clock
        self._up_since: float | None = None
        self._up_at = 0.0

    def run(self) -> None:
        """Sweep every second; an error breaks one sweep off, never the sweeper."""
        while not self._stop.is_set():
            try:
                with open_session() as session:
                    self._serve(session)
            except (DBAPIError, psycopg.Error) as error:
                metrics.SWEEP_FAILED.inc()
                self._up_since = None
                log.warning("sweep broken off: %s", str(error).splitlines()[0])
                self._stop.wait(EVERY_S)

    def _serve(self, session: sa.Connection) -> None:
        owned = False
        while not self._stop.is_set():
            owned = owned or advisory_locks.try_lock(session, advisory_locks.SWEEPER)
            if owned:
                self.sweep(session)
                metrics.SWEEP_LAST.set_to_current_time()
            self._stop.wait(EVERY_S)

    def sweep(self, session: sa.Connection) -> Swept:
        """Sweep once over `session`, an autocommit connection."""
        if self._database_was_up_long_enough(session):
            for node in sweep.end_silent_workers(session, STALE_S):
                log.warning("%s has been silent for %.0f s: ended", node, STALE_S)
        return Swept(self._reap(session), self._expire(session))

    def _database_was_up_long_enough(self, session: sa.Connection) -> bool:
        # After an outage every heartbeat looks stale, and workers need as long to beat again. A pause of
        # this process (of its machine) is an outage too.
        run(session, _PING)
        now = self._clock()
        if self._up_since is None or now - self._up_at > LONGEST_GAP_S:
            self._up_since = now
        self._up_at = now
        return now - self._up_since >= STALE_S

    def _reap(self, session: sa.Connection) -> int:
        reaped = 0
        for batch in sweep.orphaned_batches(session, MOST_BATCHES):
            with transaction(session):
                jobs = sweep.reap(session, batch)
            reaped += jobs.queued + jobs.dead
            log.warning("batch %s: %d jobs queued again, %d dead", batch, jobs.queued, jobs.dead)
        metrics.SWEEP_REAPED.inc(reaped)
        return reaped

    def _expire(self, session: sa.Connection) -> int:
        expired = 0
        while jobs := sweep.overdue_jobs(session, MOST_JOBS):
            with transaction(session):
                gone = sweep.expire(session, jobs)
            expired += len(gone)
            if self._stop.is_set() or not gone:
                break
        metrics.SWEEP_EXPIRED.inc(expired)
        return expired

"""The sweeper: takes back the jobs of dead workers and expires jobs that waited past their deadline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Event
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs import metrics, tracing
from jobs.core.states import State
from jobs.core.whole_looks import WholeLooks
from jobs.db import leases
from jobs.db.listen_loop import ListenLoop, first_line
from jobs.db.troubles import IN_THE_WAY, trouble_of
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle.end_times import observe_ends
from jobs.services.lifecycle.overdue import Expired, OverdueJobs, expire
from jobs.services.lifecycle.reap import Orphan
from jobs.services.reads.traced_ends import trace_ends, trace_losses

log = logging.getLogger(__name__)
Done = TypeVar("Done")

EVERY_S = 1.0
STALE_S = 15.0
LONGEST_GAP_S = 10.0
SLOW_LOOK_S = 0.1
MOST_BATCHES = 100
MOST_JOBS = 500
MOST_UNNAMED = 10_000


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did, in jobs."""

    reaped: int
    expired: int


class Rescuer(ListenLoop):
    """Sweeps every second until stopped; one process at a time does."""

    office = leases.SWEEPER

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to sweep; `clock` returns monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._up_since: float | None = None
        self._up_at = 0.0
        self._overdue = OverdueJobs(clock=clock)
        self._ledger = WholeLooks(quick_s=SLOW_LOOK_S)
        self._unnamed: dict[UUID, datetime] = {}  # the heartbeat that first did not name an open batch

    @property
    def pause_s(self) -> float:
        """Return the seconds between two sweeps."""
        return EVERY_S

    def interrupted(self, error: Exception) -> None:  # noqa: ARG002  # whatever it was
        """Count a sweep that was broken off, and the database as not up since then."""
        metrics.SWEEP_FAILED.inc()
        self._up_since = None

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Sweep once."""
        self.sweep(session)
        metrics.SWEEP_LAST.set_to_current_time()

    def sweep(self, session: sa.Connection) -> Swept:
        """Sweep once over `session`, an autocommit connection."""
        # A transaction that only looks would cost as much as one that ends somebody: four calls and a flush.
        silent_now = sweep.any_silent(session, STALE_S)
        if self._database_was_up_long_enough() and silent_now:
            with leases.fenced(session):
                silent = sweep.end_silent_workers(session, STALE_S)
            for node in silent:
                log.warning("%s has been silent for %.0f s: ended", node, STALE_S)
        return Swept(self._reap(session), self._expire(session))

    def _database_was_up_long_enough(self) -> bool:
        # It has just answered. After an outage every heartbeat looks stale, and workers need as long to beat
        # again. A pause of this process (of its machine) is an outage too.
        now = self._clock()
        if self._up_since is None or now - self._up_at > LONGEST_GAP_S:
            self._up_since = now
        self._up_at = now
        return now - self._up_since >= STALE_S

    def _reap(self, session: sa.Connection) -> int:
        reaped = 0
        for batch in self._orphaned(session):
            leases.keep(session)
            jobs = self._spared(partial(sweep.reap, session, batch), session, sweep.Reaped())
            queued, dead = jobs.queued, len(jobs.dead)
            reaped += queued + dead + len(jobs.fallen)
            _count(jobs)
            if tracing.on:
                trace_losses(batch, jobs.jobs, session)
            if queued or dead:
                log.warning("batch %s: %d jobs queued again, %d dead", batch, queued, dead)
        metrics.SWEEP_REAPED.inc(reaped)
        return reaped

    def _orphaned(self, session: sa.Connection) -> list[UUID]:
        """Return orphaned batches; rarely where an open snapshot elsewhere makes the look slow."""
        began = self._clock()
        if not self._ledger.due(began):
            return []
        orphans = sweep.orphaned_batches(session, MOST_BATCHES)
        self._ledger.took(self._clock() - began, began=began)
        return [orphan.id for orphan in orphans if self._is_given_up(orphan)]

    def _is_given_up(self, orphan: Orphan) -> bool:
        """Return whether two heartbeats did not name the batch.

        After a failover the clock may be behind: a batch that was just claimed then seems older than the last
        heartbeat, until the next one names it.
        """
        if orphan.named_at is None:
            return True
        if len(self._unnamed) >= MOST_UNNAMED:
            self._unnamed.clear()
        return self._unnamed.setdefault(orphan.id, orphan.named_at) != orphan.named_at

    def _expire(self, session: sa.Connection) -> int:
        expired = 0
        while jobs := self._overdue.find(session, MOST_JOBS):
            leases.keep(session)
            ended = self._spared(partial(expire, session, jobs), session, Expired([], []))
            observe_ends(ended.expired, State.EXPIRED)
            observe_ends(ended.fallen, State.SUCCEEDED)
            expired += len(ended.expired)
            if tracing.on:
                trace_ends([job.id for job in ended.all], session)
            if self._stop.is_set() or not ended.all:
                break
        metrics.SWEEP_EXPIRED.inc(expired)
        return expired

    def _spared(self, work: Callable[[], Done], session: sa.Connection, nothing: Done) -> Done:
        """Do one part of a sweep; where another transaction is in its way, leave it for the next sweep."""
        try:
            with leases.fenced(session):
                return work()
        except DBAPIError as error:
            if trouble_of(error) not in IN_THE_WAY:
                raise
            metrics.SWEEP_FAILED.inc()
            log.warning("a part of the sweep is left for the next one: %s", first_line(error))
            return nothing


def _count(jobs: sweep.Reaped) -> None:
    """Count the failures of jobs that ended their workers; what ran beside one is no failure."""
    if jobs.blamed is not None:
        failure = jobs.blamed.kind.value, jobs.blamed.code
        metrics.RETRIES.labels(*failure).inc(jobs.queued)
        metrics.DEATHS.labels(*failure).inc(len(jobs.dead))
        observe_ends(jobs.dead, State.DEAD)
        observe_ends(jobs.fallen, State.SUCCEEDED)

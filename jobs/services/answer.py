"""The answerer: sees to the followers of jobs that ended, and to cache entries whose time is over.

It is woken by what every settle, cancel and expiry tells, and looks at all leaders by and by, because a
notification is a hint and a follower may be stored just after its leader's end. Work is done chunk by chunk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs import metrics
from jobs.core.signals import SETTLED
from jobs.store import followers, locks
from jobs.store.cache import sweep_entries
from jobs.store.session import driver, open_session, transaction

log = logging.getLogger(__name__)

IDLE_S = 0.25
AGAIN_S = 1.0
LOOK_EVERY_S = 1.0
MOST_LEADERS = 2_000
MOST_ENTRIES = 500
_FIRST = UUID(int=0)


class Answerer:
    """Answers followers until `stop` is set; of several only one, the holder of an advisory lock."""

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to answer; `clock` is monotonic seconds."""
        self._stop = stop
        self._clock = clock
        self._look_at = 0.0
        self._after = _FIRST

    def run(self) -> None:
        """Answer until stopped; an error breaks one chunk off, never the answerer."""
        while not self._stop.is_set():
            try:
                with open_session() as session:
                    self._serve(session)
            except (DBAPIError, psycopg.Error) as error:
                log.warning("followers are left for %.0f s: %s", AGAIN_S, str(error).splitlines()[0])
                self._stop.wait(AGAIN_S)

    def _serve(self, session: sa.Connection) -> None:
        while not locks.try_lock(session, locks.ANSWERER):
            if self._stop.wait(AGAIN_S):
                return
        session.exec_driver_sql(f"LISTEN {SETTLED}")
        self._look_at = 0.0
        while not self._stop.is_set():
            notices = driver(session).notifies(timeout=IDLE_S, stop_after=1)
            self.step(session, [notice.payload for notice in notices])

    def step(self, session: sa.Connection, payloads: Iterable[str]) -> None:
        """See to the followers of the jobs that were told of, and now and then of all others."""
        jobs, batches = _ids(payloads, "job"), _ids(payloads, "batch")
        if jobs or batches:
            self._land(session, followers.told(session, jobs=jobs, batches=batches))
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_EVERY_S
            self._look_around(session)

    def _look_around(self, session: sa.Connection) -> None:
        """Look at a bounded number of leaders, each time where the last look ended, and at old entries."""
        seen = followers.leaders(session, after=self._after, most=MOST_LEADERS)
        self._after = seen[-1][0] if len(seen) == MOST_LEADERS else _FIRST
        self._land(session, [leader for leader, ended in seen if ended])
        looked_at = MOST_ENTRIES
        while looked_at == MOST_ENTRIES and not self._stop.is_set():
            looked_at, _ = sweep_entries(session, MOST_ENTRIES)

    def _land(self, session: sa.Connection, leaders: Iterable[UUID]) -> None:
        waiting = list(leaders)
        while waiting and not self._stop.is_set():
            leader = waiting.pop()
            with transaction(session):
                landed = followers.land(session, leader)
            if landed.looked_at:
                waiting.append(leader)
            if landed.moved_to:
                waiting.append(landed.moved_to)
            _count(landed)


def _count(landed: followers.Landed) -> None:
    for how in ("succeeded", "dead", "running"):
        metrics.FOLLOWERS_ENDED.labels(how).inc(getattr(landed, how))


def _ids(payloads: Iterable[str], kind: str) -> set[UUID]:
    pairs = (payload.partition(":") for payload in payloads)
    return {UUID(text) for said, _, text in pairs if said == kind}

"""The answerer: sees to the followers of jobs that ended, and to cache entries whose time is over.

It is woken by what every settle, cancel and expiry tells, and looks at all leaders by and by, because a
notification is a hint and a follower may be stored just after its leader's end. Work is done chunk by chunk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
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
GAP_S = 0.02  # a busy worker settles a hundred batches a second: they are asked about together
AGAIN_S = 1.0
LOOK_EVERY_S = 1.0
MOST_LEADERS = 2_000
MOST_ENTRIES = 500
MOST_CHUNKS = 50  # of one step, before it hears again what was told
_FIRST = UUID(int=0)


class Answerer:
    """Answers followers until `stop` is set; of several only one, the holder of an advisory lock."""

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to answer; `clock` is monotonic seconds."""
        self._stop = stop
        self._clock = clock
        self._look_at = 0.0
        self._after = _FIRST
        self._waiting: dict[UUID, None] = {}  # leaders that ended, in turn, each once

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
            pause_s = 0 if self._waiting else IDLE_S
            notices = list(driver(session).notifies(timeout=pause_s, stop_after=1))
            self.step(session, [notice.payload for notice in notices])
            if notices and not self._waiting:
                self._stop.wait(GAP_S)

    def step(self, session: sa.Connection, payloads: Iterable[str]) -> None:
        """See to the followers of the jobs that were told of, and now and then of all others."""
        jobs, batches = _ids(payloads, "job"), _ids(payloads, "batch")
        if jobs or batches:
            self._note(followers.told(session, jobs=jobs, batches=batches))
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_EVERY_S
            self._look_around(session)
        self._land(session)

    def _note(self, leaders: Iterable[UUID]) -> None:
        self._waiting |= dict.fromkeys(leaders)

    def _look_around(self, session: sa.Connection) -> None:
        """Look at a bounded number of leaders, each time where the last look ended, and at old entries."""
        seen = followers.leaders(session, after=self._after, most=MOST_LEADERS)
        self._after = seen[-1][0] if len(seen) == MOST_LEADERS else _FIRST
        self._note(leader for leader, ended in seen if ended)
        for _ in range(MOST_CHUNKS):
            looked_at, _ = sweep_entries(session, MOST_ENTRIES)
            if looked_at < MOST_ENTRIES:
                break

    def _land(self, session: sa.Connection) -> None:
        """See to a chunk of each leader's followers in turn, then to the next of each, a while."""
        for _ in range(MOST_CHUNKS):
            if not self._waiting or self._stop.is_set():
                break
            leader = next(iter(self._waiting))
            del self._waiting[leader]
            with transaction(session):
                landed = followers.land(session, leader)
            self._note([leader] if landed.looked_at else [])
            self._note([landed.moved_to] if landed.moved_to else [])
            _count(landed)


def _count(landed: followers.Landed) -> None:
    for how in ("succeeded", "dead", "running"):
        metrics.FOLLOWERS_ENDED.labels(how).inc(getattr(landed, how))


def _ids(payloads: Iterable[str], kind: str) -> set[UUID]:
    found = set[UUID]()
    for said, _, text in (payload.partition(":") for payload in payloads):
        with suppress(ValueError):  # anybody with a connection may notify
            found |= {UUID(text)} if said == kind else set()
    return found

"""The follower settler: answers the followers of finished jobs, and sweeps cache entries whose time is over.

Every settle, cancel and expiry notifies it. It also polls all leaders in turn, because a notification may be
lost and a follower may be stored just after its leader's end. Work is done chunk by chunk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs import metrics, tracing
from jobs.core.channels import SETTLED
from jobs.core.whole_looks import WholeLooks
from jobs.db import leases
from jobs.db.listen_loop import IDLE_S, ListenLoop, first_line, ids
from jobs.db.troubles import IN_THE_WAY, trouble_of
from jobs.services.lifecycle.end_times import observe_ends
from jobs.services.reads.traced_ends import trace_ends
from jobs.services.reuse import settle_followers
from jobs.services.reuse.cache import any_expired, sweep_entries

log = logging.getLogger(__name__)

GAP_S = 0.02  # a busy worker settles a hundred batches a second: a step handles several of them
MOST_LEADERS = 2_000
MOST_ENTRIES = 500
QUICK_S = 0.05  # once a second
MOST_CHUNKS = 50  # of one step, before it reads the next notifications
_FIRST = UUID(int=0)


class FollowerSettler(ListenLoop):
    """Settles followers until stopped; one process at a time does."""

    office = leases.FOLLOWER_SETTLER
    channels = (SETTLED,)
    gap_s = GAP_S

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to settle followers; `clock` is monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._after = _FIRST
        self._wholes = WholeLooks(quick_s=QUICK_S)
        self._waiting: dict[UUID, None] = {}  # leaders that ended, in turn, without repeats

    @property
    def pause_s(self) -> float:
        """Return 0 while there are more leaders that ended."""
        return 0.0 if self._waiting else IDLE_S

    def opened(self, session: sa.Connection) -> None:  # noqa: ARG002  # of whichever session
        """Begin with a look at all leaders: notifications since the last session are lost."""
        self._after, self._wholes = _FIRST, WholeLooks(quick_s=QUICK_S)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:
        """Settle the followers of the jobs in the notifications, and now and then those of all others."""
        jobs, batches = ids(payloads, "job"), ids(payloads, "batch")
        if jobs or batches:
            self._note(settle_followers.followed(session, jobs=jobs, batches=batches))
        if self.time_to_look():
            self._look_around(session)
        self._land(session)

    def _note(self, leaders: Iterable[UUID]) -> None:
        self._waiting |= dict.fromkeys(leaders)

    def _look_around(self, session: sa.Connection) -> None:
        """Look at a bounded number of leaders, from where the last look ended, and at old entries."""
        began = self._clock()
        if not self._wholes.due(began):
            return
        leaders = settle_followers.leaders(session, after=self._after, most=MOST_LEADERS)
        self._after = leaders[-1].id if len(leaders) == MOST_LEADERS else _FIRST
        self._note(leader.id for leader in leaders if leader.ended)
        if not any_expired(session):
            self._wholes.took(self._clock() - began, began=began)
            return
        for chunk in range(1, MOST_CHUNKS + 1):
            with leases.fenced(session):
                swept = sweep_entries(session, MOST_ENTRIES)
            if swept.looked_at < MOST_ENTRIES:
                # One that swept much took long for another reason than dead rows.
                self._wholes.took((self._clock() - began) / chunk, began=began)
                break

    def _land(self, session: sa.Connection) -> None:
        """Settle a chunk of every leader's followers in turn, then their next chunks, up to a limit."""
        for _ in range(MOST_CHUNKS):
            if not self._waiting or self._stop.is_set():
                break
            leader = next(iter(self._waiting))
            del self._waiting[leader]
            leases.keep(session)
            if (landed := self._landed(session, leader)) is None:
                continue
            self._note([leader] if landed.looked_at else [])
            self._note([landed.moved_to] if landed.moved_to else [])
            _count(landed)
            if tracing.on:
                trace_ends([job.id for jobs in landed.ends.values() for job in jobs], session)

    def _landed(self, session: sa.Connection, leader: UUID) -> settle_followers.Landed | None:
        """Settle a chunk; None where another transaction is in its way: the next look finds it again."""
        try:
            with leases.fenced(session):
                return settle_followers.land(session, leader)
        except DBAPIError as error:
            if trouble_of(error) not in IN_THE_WAY:
                raise
            log.warning("the followers of %s are left for the next look: %s", leader, first_line(error))
            return None


def _count(landed: settle_followers.Landed) -> None:
    for how in ("succeeded", "dead", "running"):
        metrics.FOLLOWERS_ENDED.labels(how).inc(getattr(landed, how))
    for state, jobs in landed.ends.items():
        observe_ends(jobs, state)

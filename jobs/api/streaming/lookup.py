"""Looks up what became of waited-for jobs: those that somebody told of, and all of them now and then.

An end, a retry and a progress report are told by the workers. What no worker tells, because telling it of
every batch would cost all of them, is looked up for the followed jobs alone, a few times a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from time import monotonic
from typing import LiteralString
from uuid import UUID

import psycopg

from jobs.api.streaming.offload import run
from jobs.api.streaming.waiters import Waiters
from jobs.core.errors import PayloadUnavailableError
from jobs.core.states import TERMINAL
from jobs.db.positional import Params, Row
from jobs.services.reads.job_views import ENDED
from jobs.services.reads.snapshot import STANDING, standing_of, standing_of_view

FALLBACK_S = 2.0  # a notification is a hint: all waiters are looked up this often without one
FOLLOW_S = 0.25  # and the followed this often; less often where looking takes long
FOLLOW_SHARE = 0.1  # of the time, at most
RETRY_S = 0.5
CHUNK_IDS = 1_000
FEW = 64  # so many waited-for jobs are looked up sooner than the members of a batch
MEMBERS: LiteralString = "SELECT unnest(members) FROM jobs_batch WHERE id = ANY(%s)"
_TERMINAL = sorted(state.value for state in TERMINAL)
Fetch = Callable[[LiteralString, Params], Awaitable[list[Row]]]
log = logging.getLogger(__name__)


class Lookup:
    """Lays what it finds before `waiters`; reads by `fetch`."""

    def __init__(self, waiters: Waiters, fetch: Fetch) -> None:
        """Begin with nothing told."""
        self._waiters, self._fetch = waiters, fetch
        self._batches, self._jobs, self._all = set[UUID](), set[UUID](), False
        self._news = asyncio.Event()
        self._all_due = self._followed_due = monotonic()

    def told(self, payload: str) -> None:
        """Look soon at the batch or job that a notification names."""
        kind, _, text = payload.partition(":")
        if not self._waiters:  # who comes later reads the job after saying that it waits
            return
        with suppress(ValueError):
            (self._batches if kind == "batch" else self._jobs).add(UUID(text))
            self._news.set()

    def look_at(self, job_id: UUID) -> None:
        """Look soon at one job."""
        self._jobs.add(job_id)
        self._news.set()

    def look_at_all(self) -> None:
        """Look soon at every job: something may have been told while nobody listened."""
        self._all = True
        self._news.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            due = min(self._all_due, self._followed_due) if self._waiters.followed else self._all_due
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), max(due - monotonic(), 0.0))
            try:
                await self._look()
            except psycopg.Error as error:
                log.warning("the jobs that calls wait for cannot be read: %s", error)
                self._all = True
                await asyncio.sleep(RETRY_S)

    async def _look(self) -> None:
        started = monotonic()
        suspects = await self._suspects(everything=self._all or started >= self._all_due)
        await self._tell_ends(suspects)
        follow_all = started >= self._followed_due
        followed = self._waiters.followed.keys() & (self._waiters.followed if follow_all else suspects)
        await self._tell_ends(await self._tell_changes(followed))
        now = monotonic()
        if started >= self._all_due:
            self._all_due = now + FALLBACK_S
        if follow_all:
            self._followed_due = now + max(FOLLOW_S, (now - started) / FOLLOW_SHARE)

    async def _suspects(self, *, everything: bool) -> set[UUID]:
        """Return the ids of waited-for jobs that may have changed, as far as anybody told."""
        self._news.clear()
        batches, jobs = self._batches, self._jobs
        self._batches, self._jobs, self._all = set(), set(), False
        if everything or ((batches or jobs) and len(self._waiters) <= FEW):
            return self._waiters.ids()
        rows = await self._fetch(MEMBERS, (list(batches),)) if batches else []
        return self._waiters.among(jobs | {row[0] for row in rows})

    async def _tell_ends(self, jobs: Collection[UUID]) -> None:
        for ids in _chunks(jobs):
            values = {"ids": ids, "first": min(ids), "last": max(ids), "terminal": _TERMINAL}
            for row in await self._fetch(ENDED, values):
                with suppress(PayloadUnavailableError):  # the storage is asked again in FALLBACK_S
                    self._waiters.tell(await run(standing_of_view, row))

    async def _tell_changes(self, jobs: Collection[UUID]) -> set[UUID]:
        """Tell where followed jobs stand, and return those that have ended meanwhile."""
        ended = set[UUID]()
        for ids in _chunks(jobs):
            for row in await self._fetch(STANDING, {"ids": ids}):
                standing = standing_of(row)
                self._waiters.tell(standing)
                if standing.mark.state in TERMINAL and not self._waiters.knows_end(standing.id):
                    ended.add(standing.id)
        return ended


def _chunks(jobs: Collection[UUID]) -> Iterator[list[UUID]]:
    ids = list(jobs)
    return (ids[start : start + CHUNK_IDS] for start in range(0, len(ids), CHUNK_IDS))

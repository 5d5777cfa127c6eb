"""Looks up waited-for jobs: those that a notification named at once, and all of them from time to time.

Workers notify of an end, a retry and a progress report. Of the start of a batch they do not, because that
would cost every batch; so followed jobs are looked up a few times a second as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator
from contextlib import suppress
from time import monotonic
from typing import Protocol
from uuid import UUID

import psycopg

from jobs.api.streaming.waiters import Waiters
from jobs.core.errors import PayloadUnavailableError
from jobs.core.states import TERMINAL
from jobs.db.statement import Params, Row, Statement
from jobs.services.reads.job_views import ENDED_JOBS
from jobs.services.reads.snapshot import (
    BATCH_MEMBERS,
    SNAPSHOTS,
    end_without_output,
    snapshot_of,
    snapshot_of_job,
)

FALLBACK_S = 2.0  # notifications may be lost, so all waited-for jobs are looked up this often
FOLLOW_S = 0.25  # followed jobs are looked up this often, and less often where a look takes long
FOLLOW_FRACTION = 0.1  # of the time, at most
RETRY_S = 0.5
CHUNK_IDS = 1_000
FEW = 64  # so many waited-for jobs are looked up faster than the members of a batch
_TERMINAL = sorted(state.value for state in TERMINAL)
log = logging.getLogger(__name__)


class Fetch(Protocol):
    """Runs one statement on the event loop and returns its rows."""

    async def __call__(self, statement: Statement[Row], params: Params) -> list[Row]: ...  # noqa: D102


class Lookup:
    """Looks jobs up through `fetch` and gives the results to `waiters`."""

    def __init__(self, waiters: Waiters, fetch: Fetch) -> None:
        """Prepare, with every look due now."""
        self._waiters, self._fetch = waiters, fetch
        self._batches, self._jobs, self._all = set[UUID](), set[UUID](), False
        self._news = asyncio.Event()
        self._all_due = self._followed_due = monotonic()

    def notified(self, payload: str) -> None:
        """Look soon at the batch or job that a notification names."""
        kind, _, text = payload.partition(":")
        if not self._waiters:  # a later waiter reads the job itself after it has registered
            return
        with suppress(ValueError):
            (self._batches if kind == "batch" else self._jobs).add(UUID(text))
            self._news.set()

    def look_at(self, job_id: UUID) -> None:
        """Look soon at one job."""
        self._jobs.add(job_id)
        self._news.set()

    def look_at_all(self) -> None:
        """Look soon at every job, because notifications may have been missed."""
        self._all = True
        self._news.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            due = min(self._all_due, self._followed_due) if self._waiters.followed else self._all_due
            # Not `wait_for`, which before Python 3.12 swallows a cancel that comes together with the news.
            with suppress(TimeoutError):
                async with asyncio.timeout(max(due - monotonic(), 0.0)):
                    await self._news.wait()
            try:
                await self._look()
            except psycopg.Error as error:
                log.warning("the jobs that calls wait for cannot be read: %s", error)
                self._all = True
                await asyncio.sleep(RETRY_S)

    async def _look(self) -> None:
        started = monotonic()
        suspects = await self._suspects(everything=self._all or started >= self._all_due)
        await self._deliver_ends(suspects)
        follow_all = started >= self._followed_due
        followed = self._waiters.followed.keys() & (self._waiters.followed if follow_all else suspects)
        await self._deliver_ends(await self._deliver_changes(followed))
        now = monotonic()
        if started >= self._all_due:
            self._all_due = now + FALLBACK_S
        if follow_all:
            self._followed_due = now + max(FOLLOW_S, (now - started) / FOLLOW_FRACTION)

    async def _suspects(self, *, everything: bool) -> set[UUID]:
        """Return the waited-for jobs that may have changed, by the notifications so far."""
        self._news.clear()
        batches, jobs = self._batches, self._jobs
        self._batches, self._jobs, self._all = set(), set(), False
        if everything or ((batches or jobs) and len(self._waiters) <= FEW):
            return self._waiters.ids()
        members = await self._fetch(BATCH_MEMBERS, {"batches": list(batches)}) if batches else []
        return self._waiters.among(jobs.union(members))

    async def _deliver_ends(self, jobs: Collection[UUID]) -> None:
        for ids in _chunks(jobs):
            values = {"ids": ids, "first": min(ids), "last": max(ids), "terminal": _TERMINAL}
            for row in await self._fetch(ENDED_JOBS, values):
                if row.is_remote:  # each waiter reads it when its turn to send has come
                    self._waiters.deliver(end_without_output(row))
                    continue
                with suppress(PayloadUnavailableError):  # the storage is asked again in FALLBACK_S
                    self._waiters.deliver(snapshot_of_job(row))

    async def _deliver_changes(self, jobs: Collection[UUID]) -> set[UUID]:
        """Deliver snapshots of followed jobs, and return those that have ended meanwhile."""
        ended = set[UUID]()
        for ids in _chunks(jobs):
            for row in await self._fetch(SNAPSHOTS, {"ids": ids}):
                snapshot = snapshot_of(row)
                self._waiters.deliver(snapshot)
                if snapshot.event_id.state in TERMINAL and not self._waiters.has_end(snapshot.id):
                    ended.add(snapshot.id)
        return ended


def _chunks(jobs: Collection[UUID]) -> Iterator[list[UUID]]:
    ids = list(jobs)
    return (ids[start : start + CHUNK_IDS] for start in range(0, len(ids), CHUNK_IDS))

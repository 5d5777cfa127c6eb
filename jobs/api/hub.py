"""Learns what becomes of the jobs that calls wait for: one LISTEN connection, no query a waiter.

An end, a retry and a progress report are told by the workers. What no worker tells, because telling it of
every batch would cost all of them, is looked up for the followed jobs alone, a few times a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from time import monotonic
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from jobs.api.inbox import Inbox, Waiters
from jobs.core.signals import PROGRESSED, SETTLED
from jobs.core.states import TERMINAL
from jobs.selectors.standing import STANDING, standing_of, standing_of_view
from jobs.selectors.statement import Params, Row
from jobs.selectors.views import ENDED

FALLBACK_S = 2.0  # a notification is a hint: all waiters are looked up this often without one
FOLLOW_S = 0.25  # and the followed this often; less often where looking takes long
FOLLOW_SHARE = 0.1  # of the time, at most
RETRY_S = 0.5
CHUNK_IDS = 1_000
FEW = 64  # so many waited-for jobs are looked up sooner than the members of a batch
POOL_SIZE = 4
OPTIONS = "-c TimeZone=UTC -c statement_timeout=10s -c application_name="
MEMBERS: LiteralString = "SELECT unnest(members) FROM jobs_batch WHERE id = ANY(%s)"
_TERMINAL = sorted(state.value for state in TERMINAL)
log = logging.getLogger(__name__)


class Hub:
    """Wakes waiters; belongs to one event loop and starts with the first of them."""

    def __init__(self, database_url: str, *, name: str = "stream", pool_size: int = POOL_SIZE) -> None:
        """Prepare to read from `database_url`, there known as `name`; nothing is connected yet."""
        self._url, self._options = database_url, OPTIONS + name
        self._waiters = Waiters()
        self._batches, self._jobs, self._all = set[UUID](), set[UUID](), False
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        settings: dict[str, Any] = {"autocommit": True, "options": self._options, "connect_timeout": 5}
        self._pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            database_url, min_size=1, max_size=pool_size, kwargs=settings, open=False, timeout=5
        )

    async def start(self) -> None:
        """Open the pool and listen, once."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(work) for work in (self._listen(), self._look_up())]
            await self._pool.open()

    async def stop(self) -> None:
        """End the tasks and close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._pool.close()

    async def fetch(self, statement: LiteralString, params: Params) -> list[Row]:
        """Run one read and return its rows, again on another connection where the first was lost."""
        await self.start()
        try:
            return await self._fetch(statement, params)
        except psycopg.OperationalError:
            await self._pool.check()
            return await self._fetch(statement, params)

    def expect(self, job_id: UUID, *, follow: bool = False) -> Inbox:
        """Return where a job's end will lie, or, if `follow`, each change; `forget` it after use."""
        return self._waiters.add(job_id, Inbox(follow=follow))

    def forget(self, job_id: UUID, inbox: Inbox) -> None:
        """Wait no longer."""
        self._waiters.remove(job_id, inbox)

    def look_at(self, job_id: UUID) -> None:
        """Look a job up as if somebody had told of it."""
        self._jobs.add(job_id)
        self._news.set()

    async def _fetch(self, statement: LiteralString, params: Params) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, params)
            rows: list[Row] = await cursor.fetchall()
            return rows

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error):
                await self._hear()
            log.warning("the connection that listens was lost; opening another")
            await asyncio.sleep(RETRY_S)

    async def _hear(self) -> None:
        connect = psycopg.AsyncConnection.connect(
            self._url, autocommit=True, options=self._options, connect_timeout=5
        )
        async with await connect as connection:
            for channel in (PROGRESSED, SETTLED):
                await connection.execute(f"LISTEN {channel}")
            self._all = True  # whatever was told while nobody listened
            self._news.set()
            async for notification in connection.notifies():
                self._note(notification.payload)

    def _note(self, payload: str) -> None:
        kind, _, text = payload.partition(":")
        if not self._waiters:  # who comes later reads the job after saying that it waits
            return
        with suppress(ValueError):
            (self._batches if kind == "batch" else self._jobs).add(UUID(text))
            self._news.set()

    async def _look_up(self) -> None:
        all_due = followed_due = monotonic()
        while True:
            with suppress(TimeoutError):
                due = min(all_due, followed_due) if self._waiters.followed else all_due
                await asyncio.wait_for(self._news.wait(), max(due - monotonic(), 0.0))
            started = monotonic()
            self._all = self._all or started >= all_due
            try:
                await self._tell(await self._suspects(followed=started >= followed_due))
            except psycopg.Error as error:
                log.warning("the jobs that calls wait for cannot be read: %s", error)
                self._all = True
                await asyncio.sleep(RETRY_S)
            now = monotonic()
            if started >= all_due:
                all_due = now + FALLBACK_S
            if started >= followed_due:
                followed_due = now + max(FOLLOW_S, (now - started) / FOLLOW_SHARE)

    async def _suspects(self, *, followed: bool) -> set[UUID]:
        """Return the ids of waited-for jobs that may have changed, among them all `followed` if asked."""
        self._news.clear()
        batches, jobs, everything = self._batches, self._jobs, self._all
        self._batches, self._jobs, self._all = set(), set(), False
        if everything or len(self._waiters) <= FEW:
            return self._waiters.ids()
        rows = await self._fetch(MEMBERS, (list(batches),)) if batches else []
        told = self._waiters.among(jobs | {row[0] for row in rows})
        return told | self._waiters.followed.keys() if followed else told

    async def _tell(self, suspects: Collection[UUID]) -> None:
        ids = list(suspects)
        for start in range(0, len(ids), CHUNK_IDS):
            await self._tell_some(ids[start : start + CHUNK_IDS])

    async def _tell_some(self, ids: list[UUID]) -> None:
        for row in await self._fetch(ENDED, {"ids": ids, "terminal": _TERMINAL}):
            self._waiters.tell(standing_of_view(row))
        followed = [job_id for job_id in ids if job_id in self._waiters.followed]
        for row in await self._fetch(STANDING, {"ids": followed}) if followed else []:
            self._waiters.tell(standing_of(row))

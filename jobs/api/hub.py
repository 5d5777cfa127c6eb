"""Learns which waited-for jobs have ended: one LISTEN connection a process, no query a waiter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from jobs.core.signals import SETTLED
from jobs.core.states import TERMINAL
from jobs.selectors.statement import Params, Row
from jobs.selectors.views import ENDED, View, view_of

FALLBACK_S = 2.0  # a notification is a hint: all waiters are looked up this often without one
RETRY_S = 0.5
CHUNK_IDS = 1_000
POOL_SIZE = 4
OPTIONS = "-c TimeZone=UTC -c application_name=stream -c statement_timeout=10s"
MEMBERS: LiteralString = "SELECT unnest(members) FROM jobs_batch WHERE id = ANY(%s)"
_TERMINAL = sorted(state.value for state in TERMINAL)
log = logging.getLogger(__name__)


class Hub:
    """Wakes waiters; belongs to one event loop and starts with the first of them."""

    def __init__(self, database_url: str) -> None:
        """Prepare to read from `database_url`; nothing is connected yet."""
        self._url = database_url
        self._waiting: dict[UUID, set[asyncio.Future[View]]] = {}
        self._batches, self._jobs, self._all = set[UUID](), set[UUID](), False
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        settings: dict[str, Any] = {"autocommit": True, "options": OPTIONS, "connect_timeout": 5}
        self._pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            database_url, min_size=1, max_size=POOL_SIZE, kwargs=settings, open=False, timeout=5
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

    def expect(self, job_id: UUID) -> asyncio.Future[View]:
        """Return a future of the job's view once it has ended; `forget` it after use."""
        future: asyncio.Future[View] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(future)
        return future

    def forget(self, job_id: UUID, future: asyncio.Future[View]) -> None:
        """Wait no longer."""
        futures = self._waiting.get(job_id, set())
        futures.discard(future)
        if not futures:
            self._waiting.pop(job_id, None)

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
            self._url, autocommit=True, options=OPTIONS, connect_timeout=5
        )
        async with await connect as connection:
            await connection.execute(f"LISTEN {SETTLED}")
            self._all = True  # whatever was told while nobody listened
            self._news.set()
            async for notification in connection.notifies():
                self._note(notification.payload)

    def _note(self, payload: str) -> None:
        kind, _, text = payload.partition(":")
        with suppress(ValueError):
            (self._batches if kind == "batch" else self._jobs).add(UUID(text))
            self._news.set()

    async def _look_up(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), FALLBACK_S)
            try:
                await self._wake(await self._suspects(told=self._news.is_set()))
            except psycopg.Error as error:
                log.warning("the jobs that calls wait for cannot be read: %s", error)
                self._all = True
                await asyncio.sleep(RETRY_S)

    async def _suspects(self, *, told: bool) -> set[UUID]:
        """Return the ids of waited-for jobs that may have ended."""
        self._news.clear()
        batches, jobs, everything = self._batches, self._jobs, self._all or not told
        self._batches, self._jobs, self._all = set(), set(), False
        if everything or not self._waiting:
            return set(self._waiting)
        rows = await self._fetch(MEMBERS, (list(batches),)) if batches else []
        return (jobs | {row[0] for row in rows}) & self._waiting.keys()

    async def _wake(self, suspects: Iterable[UUID]) -> None:
        ids = list(suspects)
        for start in range(0, len(ids), CHUNK_IDS):
            params = {"ids": ids[start : start + CHUNK_IDS], "terminal": _TERMINAL}
            for row in await self._fetch(ENDED, params):
                self._deliver(row[0], view_of(row))

    def _deliver(self, job_id: UUID, view: View) -> None:
        for future in self._waiting.pop(job_id, set()):
            if not future.done():
                future.set_result(view)

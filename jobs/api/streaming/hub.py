"""Watches the jobs that calls wait for, over one LISTEN connection and without a query a waiter."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from contextvars import Context
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from psycopg_pool import AsyncConnectionPool

from jobs.api.http.output_room import OutputRoom
from jobs.api.streaming.lookup import Lookup
from jobs.api.streaming.open_calls import OpenCalls
from jobs.api.streaming.rollout_watch import RolloutWatch
from jobs.api.streaming.stop_signal import StopSignal
from jobs.api.streaming.token_watch import TokenWatch
from jobs.api.streaming.waiters import Waiter, Waiters
from jobs.core.channels import PROGRESSED, SETTLED
from jobs.db import connections
from jobs.db.channel_names import listen_async
from jobs.db.statement import Params, Row, Statement, fetch_async
from jobs.db.troubles import trouble_of

RETRY_S = 0.5
POOL_SIZE = 4
log = logging.getLogger(__name__)


class Hub:
    """Wakes waiters; it belongs to one event loop and starts with the first waiter."""

    def __init__(self, *, name: str = "stream", pool_size: int = POOL_SIZE) -> None:
        """Prepare to connect under the application name `name`."""
        self._name = name
        self._waiters = Waiters()
        self._lookup = Lookup(self._waiters, self._fetch)
        self.tokens = TokenWatch(self.fetch)
        self.rollouts = RolloutWatch(self.fetch)
        self.outputs = OutputRoom(settings.INFERENCE.sending_bytes)
        self.waits = OpenCalls(settings.INFERENCE.waits_per_client)
        self.streams = OpenCalls(settings.INFERENCE.streams_per_client)
        self.submits = OpenCalls(settings.INFERENCE.streams_per_client)
        self.stopping = StopSignal()
        self._opening: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            min_size=1,
            max_size=pool_size,
            kwargs={**connections.options(name), "autocommit": True},
            configure=connections.pin_async,
            open=False,
            timeout=5,
        )

    async def start(self) -> None:
        """Open the pool and listen, once; return when the pool is open."""
        if self._opening is None:
            # Its tasks go on when the call that starts them is over, so their log lines do not carry its id.
            self._opening = asyncio.create_task(self._open(), context=Context())
        if not self._opening.done():
            await asyncio.shield(self._opening)

    async def _open(self) -> None:
        await self._pool.open()
        works = (self._listen(), self._lookup.run(), self.tokens.run(), self.rollouts.run())
        self._tasks = [asyncio.create_task(work) for work in works]

    async def stop(self) -> None:
        """End the tasks and close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks, self._opening = [], None
        await self._pool.close()

    async def fetch(self, statement: Statement[Row], params: Params) -> list[Row]:
        """Run one statement and return its rows; where its connection was lost, run it again on another."""
        await self.start()
        try:
            return await self._fetch(statement, params)
        except psycopg.Error as error:
            if trouble_of(error) is None:
                raise
            await self._pool.check()
            return await self._fetch(statement, params)

    def expect(self, job_id: UUID, *, follow: bool = False) -> Waiter:
        """Return a waiter that is given a job's end, or, if `follow`, each change; `forget` it after use."""
        return self._waiters.add(job_id, Waiter(follow=follow))

    def forget(self, job_id: UUID, waiter: Waiter) -> None:
        """Give nothing more to a waiter."""
        self._waiters.remove(job_id, waiter)

    def look_at(self, job_id: UUID) -> None:
        """Look a job up soon, as after a notification."""
        self._lookup.look_at(job_id)

    async def _fetch(self, statement: Statement[Row], params: Params) -> list[Row]:
        async with self._pool.connection() as connection:
            return await fetch_async(connection, statement, params)

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error):
                await self._hear()
            log.warning("the connection that listens was lost; opening another")
            await asyncio.sleep(RETRY_S)

    async def _hear(self) -> None:
        connect = psycopg.AsyncConnection.connect(
            **connections.options(self._name, direct=True), autocommit=True
        )
        async with await connect as connection:
            await connections.pin_async(connection, direct=True)
            for channel in (PROGRESSED, SETTLED):
                await listen_async(connection, channel)
            self._lookup.look_at_all()
            async for notification in connection.notifies():
                self._lookup.notified(notification.payload)

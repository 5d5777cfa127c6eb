"""The pages that watch this process: one loop encodes a reading each second, and all send its bytes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context

import msgspec

from jobs.api.operations.latest_reading import EVERY_S, LatestReading, latest
from jobs.api.operations.reading_of_rows import aged
from jobs.core.errors import UnavailableError
from jobs.core.operations.page_content import page_content

log = logging.getLogger(__name__)
MOST_WATCHERS = 200
AGAIN_S = 30


class Watchers:
    """Belongs to one event loop; it reads nothing and runs nothing while no page watches."""

    def __init__(self, source: LatestReading = latest) -> None:
        """Prepare to send what `source` reads."""
        self._source = source
        self._number = 0
        self._loop: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._event = b""
        self._turn = 0

    @asynccontextmanager
    async def one_more(self) -> AsyncIterator[None]:
        """Count one more page while the block runs; UnavailableError where it would be too many."""
        if self._number >= MOST_WATCHERS:
            raise UnavailableError(
                f"{MOST_WATCHERS} pages watch this process already: close some, or watch another process.",
                retry_after_s=AGAIN_S,
            )
        self._number += 1
        if self._loop is None:
            self._loop = asyncio.create_task(self._run(), context=Context())
        try:
            yield
        finally:
            self._number -= 1
            if not self._number and self._loop is not None:
                self._loop.cancel()
                self._loop, self._event = None, b""

    async def next_event(self, after: int) -> tuple[int, bytes]:
        """Return the newest event that is later than the turn `after`, and its turn."""
        async with self._news:
            await self._news.wait_for(lambda: self._turn > after and self._event)
            return self._turn, self._event

    @property
    def turn(self) -> int:
        """Return the turn before the newest event, so that a new page gets that at once."""
        return self._turn - 1 if self._event else self._turn

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(RuntimeError):  # no thread could start: it is tried each second
            await asyncio.to_thread(self._source.get)
        due_s = loop.time()
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("the live page cannot be sent")  # the next reading may be well
            due_s = max(due_s + EVERY_S, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def _look(self) -> None:
        made = self._source.peek()
        if made is None:
            return
        reading = aged(made.reading, self._source.age_of(made), self._number)
        content = msgspec.json.encode(page_content(reading))
        async with self._news:
            self._event = b"id: %d\nevent: reading\ndata: %s\n\n" % (reading.at, content)
            self._turn += 1
            self._news.notify_all()

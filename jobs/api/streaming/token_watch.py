"""The tokens of calls that wait: one statement every other second finds those that work no more.

Before a call that waited is answered, its token is read again: one that was revoked meanwhile gets nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context

import psycopg

from jobs.api.streaming.lookup import Fetch
from jobs.services.access.owner import TOKEN_BY_DIGEST, WORKING_TOKENS, Owner, cache_owner

LOOK_S = 2.0
Ended = asyncio.Future[None]
log = logging.getLogger(__name__)


class TokenWatch:
    """Watches tokens, by their digests, on one event loop."""

    def __init__(self, fetch: Fetch) -> None:
        """Prepare to read through `fetch`."""
        self._fetch = fetch
        self._watching: dict[bytes, set[Ended]] = {}
        self._reading: dict[bytes, asyncio.Future[Owner | None]] = {}

    @contextmanager
    def watch(self, digest: bytes) -> Iterator[Ended]:
        """Yield the future that is done once the token works no more."""
        ended: Ended = asyncio.get_running_loop().create_future()
        self._watching.setdefault(digest, set()).add(ended)
        try:
            yield ended
        finally:
            watching = self._watching[digest]
            watching.discard(ended)
            if not watching:
                del self._watching[digest]

    async def read(self, digest: bytes) -> Owner | None:
        """Return the owner of a token as the database has it now; calls that ask at once share the answer."""
        reading = self._reading.get(digest)
        if reading is None:
            reading = self._reading[digest] = asyncio.create_task(self._owner(digest), context=Context())
            reading.add_done_callback(lambda _: self._reading.pop(digest))
        return await asyncio.shield(reading)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
            except psycopg.Error as error:
                log.warning("the tokens of calls that wait cannot be read: %s", error)

    async def _look(self) -> None:
        if not (digests := list(self._watching)):
            return
        working = set(await self._fetch(WORKING_TOKENS, {"digests": digests}))
        for digest in set(digests) - working:
            for ended in self._watching.get(digest, ()):
                if not ended.done():
                    ended.set_result(None)

    async def _owner(self, digest: bytes) -> Owner | None:
        return cache_owner(digest, await self._fetch(TOKEN_BY_DIGEST, {"digest": digest}))

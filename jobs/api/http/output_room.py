"""The large results that a process is sending: so many bytes at once, half of them at most for a client."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobs.core.errors import UnavailableError

SMALL_BYTES = 262_144  # what is smaller is not counted
PATIENCE_S = 20.0


class OutputRoom:
    """Room for `most` bytes, on one event loop."""

    def __init__(self, most: int) -> None:
        """Begin empty."""
        self._most = most
        self._used = 0
        self._by_client = Counter[int]()
        self._waiting: dict[asyncio.Future[None], None] = {}  # who waits longest is woken first

    @asynccontextmanager
    async def room_for(self, client: int, size: int) -> AsyncIterator[None]:
        """Hold room for a result, once there is some; UnavailableError where that takes too long.

        One that is larger than a client's half takes all of that half.
        """
        size = min(size, self._most // 2) if size > SMALL_BYTES else 0
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._until_it_fits(client, size)
        except TimeoutError:
            raise UnavailableError("Too many large results are being sent: send the call again.") from None
        self._take(client, size)
        try:
            yield
        finally:
            self._take(client, -size)
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_result(None)

    async def _until_it_fits(self, client: int, size: int) -> None:
        while size and not self._fits(client, size):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting[waiter] = None
            try:
                await waiter
            finally:
                del self._waiting[waiter]

    def _fits(self, client: int, size: int) -> bool:
        return self._used + size <= self._most and self._by_client[client] + size <= self._most // 2

    def _take(self, client: int, size: int) -> None:
        self._used += size
        self._by_client[client] += size
        if not self._by_client[client]:
            del self._by_client[client]

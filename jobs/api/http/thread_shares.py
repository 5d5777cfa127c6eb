"""A share of the long threads for each client and each address, so that no one of them holds all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from jobs.api.http.body_room import Share, Shares


@dataclass(slots=True)
class _Turns:
    free: asyncio.Semaphore
    users: int = field(default=0)


class ThreadShares:
    """Lets each sender have its part of the threads at once, one at least; its other calls wait in order."""

    def __init__(self, threads: int) -> None:
        """Share out so many threads."""
        self._threads = threads
        self._turns: dict[str, _Turns] = {}

    @asynccontextmanager
    async def turn(self, shares: Shares) -> AsyncIterator[None]:
        """Hold a thread's worth of each of `shares`, in their order, which is the same for all senders."""
        async with AsyncExitStack() as held:
            for share in shares:
                await held.enter_async_context(self._of(share))
            yield

    @asynccontextmanager
    async def _of(self, share: Share) -> AsyncIterator[None]:
        turns = self._turns.get(share.sender)
        if turns is None:
            most = max(int(self._threads * share.part), 1)
            turns = self._turns[share.sender] = _Turns(asyncio.Semaphore(most))
        turns.users += 1
        try:
            async with turns.free:
                yield
        finally:
            turns.users -= 1
            if not turns.users:
                del self._turns[share.sender]

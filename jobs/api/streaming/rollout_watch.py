"""The roll-outs that calls follow: one statement a second reads all of them, while at least one is followed.

A roll-out changes with each batch of its candidate, so a notification of each change would cost more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from jobs.api.streaming.lookup import Fetch
from jobs.services.rollouts.followed import FOLLOWED, FollowedRollout, followed_params, only_followed

LOOK_S = 1.0
log = logging.getLogger(__name__)


class RolloutWaiter:
    """Holds the newest row of one roll-out, until it is taken."""

    __slots__ = ("_last_id", "_newest", "_news")

    def __init__(self, last_id: str) -> None:
        """Begin after the row with this `change_id`."""
        self._last_id, self._news = last_id, asyncio.Event()
        self._newest: FollowedRollout | None = None

    def put(self, now: FollowedRollout) -> None:
        """Keep a row, unless it is the one that was put last."""
        if now.change_id != self._last_id:
            self._last_id, self._newest = now.change_id, now
            self._news.set()

    async def news(self) -> FollowedRollout:
        """Return the newest row as soon as one was put here since the last call."""
        await self._news.wait()
        self._news.clear()
        assert self._newest is not None  # noqa: S101  # it is set with the event
        return self._newest


class RolloutWatch:
    """Watches roll-outs on one event loop."""

    def __init__(self, fetch: Fetch) -> None:
        """Prepare to read through `fetch`."""
        self._fetch = fetch
        self._watching: dict[int, set[RolloutWaiter]] = {}
        self._watched = asyncio.Event()

    async def read(self, rollout_id: int) -> FollowedRollout:
        """Return how a roll-out stands; RolloutNotFoundError."""
        return only_followed(rollout_id, await self._fetch(FOLLOWED, followed_params(rollout_id)))

    @contextmanager
    def watch(self, rollout_id: int, last_id: str) -> Iterator[RolloutWaiter]:
        """Yield a waiter that is given each change after the row with this `change_id`."""
        waiter = RolloutWaiter(last_id)
        self._watching.setdefault(rollout_id, set()).add(waiter)
        self._watched.set()
        try:
            yield waiter
        finally:
            waiters = self._watching[rollout_id]
            waiters.discard(waiter)
            if not waiters:
                del self._watching[rollout_id]

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._watched.wait()
            try:
                await self._look()
            except psycopg.Error as error:
                log.warning("the roll-outs that calls follow cannot be read: %s", error)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        if not self._watching:
            self._watched.clear()
            return
        for now in await self._fetch(FOLLOWED, {"ids": list(self._watching)}):
            for waiter in self._watching.get(now.id, ()):
                waiter.put(now)

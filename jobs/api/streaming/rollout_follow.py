"""`GET /rollouts/{id}/events`: server-sent events until the roll-out has ended."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from django.conf import settings

from jobs.api.http.asgi_call import Call
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.rollout_events import knows_end, rollout_event
from jobs.api.streaming.rollout_watch import RolloutWaiter
from jobs.api.streaming.sse import HEADERS, HEARTBEAT, preamble
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.core.access.scopes import Scope
from jobs.core.errors import UnauthenticatedError
from jobs.metrics import STREAM_WAITING
from jobs.services.rollouts.followed import FollowedRollout, check_reach

KIND = "rollout_events"
Ends = set[asyncio.Future[Any]]


async def answer_rollout_events(rollout_id: int, call: Call, hub: Hub) -> None:
    """Answer one call, or raise the error to answer with; 204 where the client has had the end already."""
    auth = StreamAuth(hub, call)
    owner = await auth.owner(Scope.ROLL_OUT)
    now = check_reach(owner, await hub.rollouts.read(rollout_id))
    last_id = call.request.headers.get("last-event-id", "")
    if knows_end(last_id, now):
        await call.begin(204, {})
        await call.piece(b"", last=True)
        return
    with (
        auth.waiting(hub.streams) as revoked,
        hub.rollouts.watch(rollout_id, last_id) as waiter,
        STREAM_WAITING.labels(KIND).track_inprogress(),
    ):
        waiter.put(now)
        await RolloutStream(call, auth, waiter).run(revoked)


class RolloutStream:
    """One client's events."""

    def __init__(self, call: Call, auth: StreamAuth, waiter: RolloutWaiter) -> None:
        """Prepare to send what `waiter` is given."""
        self._call, self._auth, self._waiter = call, auth, waiter

    async def run(self, revoked: asyncio.Future[None]) -> None:
        """Send until the roll-out has ended or the client is gone.

        UnauthenticatedError once `revoked` is done.
        """
        await self._call.begin(200, HEADERS)
        await self._call.piece(preamble())
        gone: asyncio.Future[Any] = asyncio.ensure_future(self._call.gone())
        try:
            await self._send_until(gone, revoked)
        finally:
            gone.cancel()

    async def _send_until(self, gone: asyncio.Future[Any], no_token: asyncio.Future[Any]) -> None:
        every_s = settings.INFERENCE.events_heartbeat_s
        beat_at, is_live = monotonic() + every_s, True
        while is_live:
            now = await self._news({gone, no_token}, beat_at - monotonic())
            if gone.done():
                return
            if no_token.done():
                raise UnauthenticatedError
            if now is not None:
                is_live = now.is_live
                await self._send(now)
            if monotonic() >= beat_at:
                await self._call.piece(HEARTBEAT)
                beat_at = monotonic() + every_s
        await self._call.piece(b"", last=True)

    async def _send(self, now: FollowedRollout) -> None:
        if not now.is_live:
            await self._auth.again()
        await self._call.piece(rollout_event(now))

    async def _news(self, ends: Ends, within_s: float) -> FollowedRollout | None:
        """Return the next change; None where none comes in time, or one of `ends` is done."""
        news = asyncio.ensure_future(self._waiter.news())
        try:
            await asyncio.wait({news, *ends}, timeout=max(within_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
            return news.result() if news.done() else None
        finally:
            news.cancel()

"""The loop of a stream of server-sent events: what waits is sent, with heartbeats, until its end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings

from jobs.api.http.asgi_call import Call
from jobs.api.streaming.sse import HEADERS, HEARTBEAT, preamble
from jobs.core.errors import UnauthenticatedError

News = TypeVar("News")
News_co = TypeVar("News_co", covariant=True)
Ends = set[asyncio.Future[Any]]


class NewsSource(Protocol[News_co]):
    """What a stream takes its news from."""

    async def news(self) -> News_co: ...  # noqa: D102


class SseStream(ABC, Generic[News]):
    """One client's events."""

    def __init__(self, call: Call, waiter: NewsSource[News]) -> None:
        """Prepare to send what `waiter` gets."""
        self._call, self._waiter = call, waiter

    @abstractmethod
    async def send(self, now: News) -> bool:
        """Send the events that the client does not have yet, and return whether these were the last."""

    async def run(self, revoked: asyncio.Future[None]) -> None:
        """Send until the end, or until the client is gone; UnauthenticatedError once `revoked` is done."""
        await self._call.begin(200, HEADERS)
        await self._call.piece(preamble())
        gone: asyncio.Future[Any] = asyncio.ensure_future(self._call.gone())
        try:
            await self._send_until(gone, revoked)
        finally:
            gone.cancel()

    async def _send_until(self, gone: asyncio.Future[Any], no_token: asyncio.Future[Any]) -> None:
        every_s = settings.INFERENCE.events_heartbeat_s
        beat_at, ended = monotonic() + every_s, False
        while not ended:
            now = await self._news({gone, no_token}, beat_at - monotonic())
            if gone.done():
                return
            if no_token.done():
                raise UnauthenticatedError
            if now is not None:
                ended = await self.send(now)
            if monotonic() >= beat_at:
                await self._call.piece(HEARTBEAT)
                beat_at = monotonic() + every_s
        await self._call.piece(b"", last=True)

    async def _news(self, ends: Ends, within_s: float) -> News | None:
        """Return what comes next; None where nothing comes in time, or one of `ends` is done."""
        news = asyncio.ensure_future(self._waiter.news())
        try:
            await asyncio.wait({news, *ends}, timeout=max(within_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
            return news.result() if news.done() else None
        finally:
            news.cancel()

"""`GET /admin/operations/readings`: a reading each second as server-sent events, on the event loop."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from django.conf import settings

from jobs.api.http.asgi_call import AsgiResponse, Call
from jobs.api.operations.session_watch import SessionWatch
from jobs.api.operations.watchers import Watchers
from jobs.api.streaming.sse import HEADERS, HEARTBEAT, preamble
from jobs.api.streaming.stop_signal import StopSignal

READINGS = "/admin/operations/readings"
PERMITTED = 204  # Django's answer, to a session that may watch
HEARTBEAT_S = 15.0
Ends = set[asyncio.Future[Any]]


class ReadingStreams:
    """All streams of one event loop."""

    def __init__(self) -> None:
        """Begin without any."""
        self._watchers, self._sessions = Watchers(), SessionWatch()
        self._stopping = StopSignal()

    async def answer(self, call: Call, permit: AsgiResponse) -> None:
        """Send readings until the page is closed, its session ends or the server stops.

        `permit` is Django's answer to the same call: any but PERMITTED goes to the client as it is.
        """
        if permit.status != PERMITTED:
            await call.reply(permit)
            return
        self._stopping.listen()
        key = call.request.cookies.get(settings.SESSION_COOKIE_NAME, "")
        async with self._watchers.one_more():
            cookies = {name: value for name, value in permit.headers if name.lower() == "set-cookie"}
            await call.begin(200, {**HEADERS, **cookies})
            await call.piece(preamble())
            with self._sessions.watch(key) as ended:
                await self._send_until(call, ended)

    async def _send_until(self, call: Call, ended: asyncio.Future[Any]) -> None:
        gone: asyncio.Future[Any] = asyncio.ensure_future(call.gone())
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._stopping.heard.wait())
        turn = self._watchers.turn
        try:
            while not (gone.done() or stop.done() or ended.done()):
                turn, event = await self._next(turn, {gone, stop, ended})
                if not (gone.done() or ended.done()):
                    await call.piece(event)
            if ended.done() and not gone.done():
                reason = json.dumps({"reason": ended.result()}).encode()
                await call.piece(b"event: end\ndata: %s\n\n" % reason)
            if not gone.done():
                await call.piece(b"", last=True)
        finally:
            gone.cancel()
            stop.cancel()

    async def _next(self, turn: int, ends: Ends) -> tuple[int, bytes]:
        """Return the next event; a heartbeat where none comes, or one of `ends` is done."""
        news = asyncio.ensure_future(self._watchers.next_event(turn))
        try:
            await asyncio.wait({news, *ends}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            return news.result() if news.done() else (turn, HEARTBEAT)
        finally:
            news.cancel()
            with suppress(asyncio.CancelledError):
                await news

"""`GET /admin/operations/readings`: a reading each second as server-sent events, on the event loop."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from django.conf import settings

from jobs.api.http.asgi_call import AsgiResponse, Call, ClientGoneError
from jobs.api.operations.session_watch import SessionWatch
from jobs.api.operations.watchers import Watchers
from jobs.api.streaming.sse import HEADERS, HEARTBEAT, preamble
from jobs.api.streaming.stop_signal import StopSignal

READINGS = "/admin/operations/readings"
PERMITTED = 204  # Django's answer, to a session that may watch
HEARTBEAT_S = 15.0
TAKEN_S = 5.0  # a page that takes nothing for so long is gone; less than a server has to stop
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
            await _send(call, preamble())
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
                    await _send(call, event)
            if ended.done() and not gone.done():
                reason = json.dumps({"reason": ended.result()}).encode()
                await _send(call, b"event: end\ndata: %s\n\n" % reason)
            if not gone.done():
                await _send(call, b"", last=True)
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


async def _send(call: Call, event: bytes, *, last: bool = False) -> None:
    """Send an event; ClientGoneError where the page does not take it.

    The server waits for ever until a page reads on, and would neither see its session end nor a stop.
    """
    try:
        async with asyncio.timeout(TAKEN_S):
            await call.piece(event, last=last)
    except TimeoutError:
        raise ClientGoneError from None

"""Kept-alive HTTP/1.1 connections for many calls at once: h11 over asyncio's protocols.

httpx takes 1.8 ms of CPU a call and this 0.09, so a load test with httpx would measure itself. A call never
waits for a connection: where none is free a new one is opened, up to a limit.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import h11

CALL_S = 60.0
CONNECT_S = 10.0
Headers = list[tuple[str, str]]
LOST = (OSError, h11.ProtocolError, EOFError, asyncio.TimeoutError)


class NoLineError(Exception):
    """All connections that may be open are in use."""


class ForeignHostError(NoLineError):
    """An answer names a host that is not allowed, so it gets no request and no token."""


class HttpReply(NamedTuple):
    """An answer: its status, its headers in lower case, its body, and the loop's time at its end."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    at: float

    @property
    def ok(self) -> bool:
        """Return whether the call was carried out."""
        return 200 <= self.status < 300  # noqa: PLR2004  # HTTP's own


class HttpLine(asyncio.Protocol):
    """A connection with one call at a time; EOFError where it ends before the answer does."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._loop = asyncio.get_running_loop()
        self._reply: asyncio.Future[HttpReply] | None = None
        self._head: h11.Response | None = None
        self._pieces: list[bytes] = []
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def connection_lost(self, _error: Exception | None) -> None:
        """Fail the call that waits for its answer."""
        self._fail(EOFError("the connection was closed before the answer"))

    @property
    def usable(self) -> bool:
        """Return whether another call may be sent."""
        return self._http.our_state is h11.IDLE and not self._transport.is_closing()

    def send(self, request: h11.Request, body: bytes) -> asyncio.Future[HttpReply]:
        """Write a call at once, and return the future of its answer."""
        pieces = [self._http.send(request) or b""]
        if body:
            pieces.append(self._http.send(h11.Data(data=body)) or b"")
        pieces.append(self._http.send(h11.EndOfMessage()) or b"")
        self._head, self._pieces, self._reply = None, [], self._loop.create_future()
        self._transport.write(b"".join(pieces))
        return self._reply

    def data_received(self, data: bytes) -> None:
        """Read the answer as it comes."""
        self._http.receive_data(data)
        try:
            while not isinstance(event := self._http.next_event(), h11.ConnectionClosed):
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                if isinstance(event, h11.Response):
                    self._head = event
                elif isinstance(event, h11.Data):
                    self._pieces.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._end()
        except h11.ProtocolError as error:
            self._fail(error)
            self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    def _end(self) -> None:
        head, reply = self._head, self._reply
        if self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            self._http.start_next_cycle()
        if head is not None and reply is not None and not reply.done():
            headers = dict(head.headers)
            reply.set_result(HttpReply(head.status_code, headers, b"".join(self._pieces), self._loop.time()))

    def _fail(self, error: Exception) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)


class HttpLines:
    """The connections to any number of servers, at most `most` to each."""

    def __init__(self, *, most: int, tls: ssl.SSLContext | None = None) -> None:
        """Open up to `most` to each server, by `tls` where it is asked for."""
        self._most = most
        self._free: dict[str, deque[HttpLine]] = {}
        self._open: dict[str, int] = {}
        self._all: set[HttpLine] = set()
        self._tls = tls

    async def ask(
        self, method: str, url: str, headers: Headers, body: bytes = b"", *, limit_s: float = CALL_S
    ) -> HttpReply:
        """Send a call, and return its answer; NoLineError, or the errors of LOST.

        A connection that the server closed while it was free says nothing of the call: another takes it.
        """
        origin, target = _split(url)
        request = h11.Request(method=method, target=target, headers=_head(origin, headers, body))
        async with asyncio.timeout(limit_s):
            for line in self._free_lines(origin):
                try:
                    return await self._call(origin, line, request, body)
                except EOFError:
                    continue
            return await self._call(origin, await self._opened(origin), request, body)

    async def warm(self, url: str, count: int) -> None:
        """Open connections ahead of the first call; the errors of LOST."""
        origin, _ = _split(url)
        lines = await asyncio.gather(*(self._opened(origin) for _ in range(min(count, self._most))))
        self._free.setdefault(origin, deque()).extend(lines)

    def close(self) -> None:
        """Drop all connections."""
        for line in self._all:
            line.close()

    def _free_lines(self, origin: str) -> Iterable[HttpLine]:
        free = self._free.setdefault(origin, deque())
        while free:
            if (line := free.pop()).usable:
                yield line
            else:
                self._drop(origin, line)

    async def _call(self, origin: str, line: HttpLine, request: h11.Request, body: bytes) -> HttpReply:
        try:
            return await line.send(request, body)
        finally:
            if line.usable:
                self._free[origin].append(line)
            else:
                self._drop(origin, line)

    async def _opened(self, origin: str) -> HttpLine:
        if self._open.get(origin, 0) >= self._most:
            raise NoLineError(f"{self._most} calls are under way")
        self._open[origin] = self._open.get(origin, 0) + 1
        parts = urlsplit(origin)
        tls = self._context() if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        try:
            async with asyncio.timeout(CONNECT_S):
                loop = asyncio.get_running_loop()
                _, line = await loop.create_connection(HttpLine, parts.hostname or "", port, ssl=tls)
        except BaseException:
            self._open[origin] -= 1
            raise
        self._all.add(line)
        return line

    def _context(self) -> ssl.SSLContext:
        self._tls = self._tls or ssl.create_default_context()  # it reads all authorities: once
        return self._tls

    def _drop(self, origin: str, line: HttpLine) -> None:
        self._all.discard(line)
        self._open[origin] -= 1
        line.close()


def _split(url: str) -> tuple[str, str]:
    """Return the origin of a URL, and its path with the query."""
    scheme, _, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    return f"{scheme}://{netloc}", slash + path or "/"


def _head(origin: str, headers: Headers, body: bytes) -> Headers:
    own = [("Host", origin.partition("://")[2]), *headers]
    return [*own, ("Content-Length", str(len(body)))] if body else own

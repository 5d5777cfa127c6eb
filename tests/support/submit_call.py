"""A stream of submits to the ASGI application in this process, without a server or a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Barrier
from typing import Any, TypeVar

from django.db import connection
from starlette.types import Message

from jobs.api.app import STREAM, Server

Answer = TypeVar("Answer")


class SubmitCall:
    """One call; a test that sets `unread` lets no answer through until it clears it."""

    def __init__(self, server: Server, token: str) -> None:
        self.inbox = asyncio.Queue[Message]()
        self.lines = asyncio.Queue[dict[str, Any]]()
        self.begun, self.may_send = asyncio.Event(), asyncio.Event()
        self.may_send.set()
        self.status, self.empty_lines = 0, 0
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"transfer-encoding", b"chunked")]
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": STREAM, "root_path": "",
            "raw_path": STREAM.encode(), "query_string": b"", "headers": headers, "scheme": "http",
            "client": ("127.0.0.1", 1), "server": ("here", 80),
        }  # fmt: skip
        self.task = asyncio.ensure_future(server(scope, self.inbox.get, self._send))

    def send(self, data: bytes, *, last: bool = False) -> None:
        self.inbox.put_nowait({"type": "http.request", "body": data, "more_body": not last})

    def leave(self) -> None:
        self.inbox.put_nowait({"type": "http.disconnect"})

    async def answer(self) -> dict[str, Any]:
        """Return the next line; {} at the end."""
        return await asyncio.wait_for(self.lines.get(), 20)

    async def answers(self) -> list[dict[str, Any]]:
        """Return all lines up to the end."""
        found = []
        while line := await self.answer():
            found.append(line)
        return found

    async def _send(self, message: Message) -> None:
        await self.may_send.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.begun.set()
            return
        for line in message["body"].splitlines():
            if line:
                self.lines.put_nowait(json.loads(line))
            self.empty_lines += not line
        if not message.get("more_body"):
            self.lines.put_nowait({})


@asynccontextmanager
async def submit_call(server: Server, token: str) -> AsyncIterator[SubmitCall]:
    """Open a stream; it is left at the end of the block."""
    call = SubmitCall(server, token)
    try:
        yield call
    finally:
        call.leave()
        call.may_send.set()
        await asyncio.wait_for(call.task, 20)


@asynccontextmanager
async def site() -> AsyncIterator[Server]:
    """Return the application of this site, without its lifespan."""
    from django.core.wsgi import get_wsgi_application

    server = Server(get_wsgi_application())
    try:
        yield server
    finally:
        await server.hub.stop()
        await asyncio.to_thread(_end_threads, server)


def _end_threads(server: Server) -> None:
    """Close the connection of each thread of the application."""
    for pool in (server._threads._short, server._threads._long):
        together = Barrier(pool._max_workers)

        def close(_: int, together: Barrier = together) -> None:
            together.wait(20)
            connection.close()

        list(pool.map(close, range(pool._max_workers)))
        pool.shutdown()


async def apart(function: Callable[[], Answer]) -> Answer:
    """Return `function()`, called on a thread that keeps no connection."""

    def call() -> Answer:
        try:
            return function()
        finally:
            connection.close()

    return await asyncio.to_thread(call)

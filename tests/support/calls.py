"""Calls in the ASGI protocol without a server, and their answers by the threads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.types import Message

from jobs.api.http.asgi_call import AsgiResponse, Call
from jobs.api.http.request_stream import Inflow
from jobs.api.http.wsgi_threads import Threads


def a_call(
    *pieces: bytes,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    path: bytes = b"/",
    stalls: bool = False,
    version: str = "1.1",
    client: str = "there",
) -> Call:
    coming: Iterator[bytes] = iter(pieces)
    remaining = len(pieces)

    async def receive() -> Message:
        nonlocal remaining
        if not remaining:
            await asyncio.Event().wait()
        remaining -= 1
        return {"type": "http.request", "body": next(coming), "more_body": stalls or remaining > 0}

    async def send(_message: Message) -> None:
        raise AssertionError

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path.decode(), "raw_path": path}
    scope |= {"query_string": b"a=1", "http_version": version, "scheme": "http"}
    scope |= {"server": ("here", 80), "client": (client, 1), "headers": list(headers)}
    return Call(Request(scope, receive), send)


async def answered(threads: Threads, call: Call) -> AsgiResponse:
    return await threads.answer(call, Inflow(call))

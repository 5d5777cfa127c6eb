"""A page that watches the platform, on the event loop of a server in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any, NamedTuple

from starlette.types import Message

from tests.support.loop_road import LoopRoad

READINGS = "/admin/operations/readings"
PATIENCE_S = 20.0


class SentEvent(NamedTuple):
    """One server-sent event."""

    name: str
    data: Any
    id: str


class WatchedPage:
    """One open call: its answer's status and headers, and the events as they come."""

    def __init__(self, road: LoopRoad, session: str, method: str = "GET") -> None:
        self._road, self._sent = road, Queue[Message]()
        self._gone = asyncio.Event()
        self._coming: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
        scope = {
            "type": "http", "method": method, "path": READINGS, "raw_path": READINGS.encode(),
            "root_path": "", "query_string": b"", "http_version": "1.1", "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
            "headers": [(b"host", b"localhost"), (b"cookie", f"sessionid={session}".encode())],
        }  # fmt: skip
        self._call = asyncio.run_coroutine_threadsafe(
            road.server(scope, self._receive, self._send), road._loop
        )
        start = self._sent.get(timeout=PATIENCE_S)
        self.status: int = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}

    async def _receive(self) -> Message:
        if self._coming:
            return self._coming.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self._sent.put(message)

    @property
    def body(self) -> bytes:
        """Return the whole of an answer that has ended."""
        self._call.result(PATIENCE_S)
        return b"".join(message["body"] for message in self._sent.queue)

    def events(self) -> Iterator[SentEvent]:
        """Yield the events until the answer ends."""
        more = True
        while more:
            message = self._sent.get(timeout=PATIENCE_S)
            more = message.get("more_body", False)
            fields = dict(line.split(": ", 1) for line in message["body"].decode().splitlines() if line)
            if "data" in fields:
                yield SentEvent(fields["event"], json.loads(fields["data"]), fields.get("id", ""))

    def close(self) -> None:
        self._road._loop.call_soon_threadsafe(self._gone.set)
        self._call.result(PATIENCE_S)


@contextmanager
def watched(road: LoopRoad, session: str) -> Iterator[WatchedPage]:
    """Have a page of this session open for the block."""
    page = WatchedPage(road, session)
    try:
        yield page
    finally:
        page.close()

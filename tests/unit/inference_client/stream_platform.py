"""A platform's stream of submits by script: what each connection does with its lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from uuid import UUID, uuid5

import h11

SPACE = UUID(int=7)
REFUSED = {"status": 429, "code": "quota_exceeded", "detail": "later", "retry_after_s": 0}


class Lines:
    """One connection to the platform."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._http, self._rest, self._lines = h11.Connection(h11.SERVER), b"", list[bytes]()
        self.index = 0

    async def head(self, status: int = 200, body: Any = None) -> None:
        while not isinstance(await self._event(), h11.Request):
            pass
        length = [] if body is None else [("Content-Length", str(len(json.dumps(body))))]
        self._write(h11.Response(status_code=status, headers=length))
        if body is not None:
            self._write(h11.Data(data=json.dumps(body).encode()))
            self._write(h11.EndOfMessage())

    async def line(self) -> dict[str, Any]:
        """Return the next job; {} at the end."""
        while not self._lines:
            event = await self._event()
            if isinstance(event, h11.EndOfMessage):
                return {}
            if isinstance(event, h11.Data):
                *self._lines, self._rest = (self._rest + bytes(event.data)).split(b"\n")
        return json.loads(self._lines.pop(0))  # type: ignore[no-any-return]  # JSON is anything

    def answer(self, job: dict[str, Any], problem: Any = None) -> None:
        outcome = {"problem": problem} if problem else {"id": job_of(job), "state": "queued"}
        self.say({"index": self.index, **outcome})
        self.index += 1

    def say(self, line: Any) -> None:
        self._write(h11.Data(data=b"\n" + json.dumps(line).encode() + b"\n"))

    def end(self) -> None:
        self._write(h11.EndOfMessage())

    def cut(self) -> None:
        self.writer.transport.abort()

    def _write(self, event: Any) -> None:
        self.writer.write(self._http.send(event) or b"")

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(65_536))
        return event


def job_of(job: dict[str, Any]) -> str:
    """Return the id that the platform gives a job: its key decides it."""
    return str(uuid5(SPACE, job["idempotency_key"]))


Handle = Callable[[Lines], Awaitable[None]]


async def store_all(lines: Lines) -> None:
    """Answer every line, and the end."""
    await lines.head()
    while job := await lines.line():
        lines.answer(job)
    lines.end()


@contextmanager
def stream_platform(*script: Handle) -> Iterator[str]:
    """Serve one connection by each function of the script, the last by all others; yield the address."""
    loop, connections = asyncio.new_event_loop(), iter(script)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handle = next(connections, script[-1])
        try:
            await handle(Lines(reader, writer))
            await writer.drain()
        except (h11.ProtocolError, OSError):
            pass  # the client has gone
        finally:
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

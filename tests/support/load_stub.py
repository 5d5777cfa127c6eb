"""A platform of a few lines on loopback, as fast as can be, whose answers a test of load tests chooses.

python -m tests.support.load_stub    prints its address and serves until its standard input ends
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tests.benchmarks.wire import length


@dataclass
class StubPlatform:
    """A job ends `service_s` after it was accepted, in the state that `end_of` its number names.

    While it stalls it answers nothing; `refuses` a submit by its number; `garbles` the answers to submits.
    """

    service_s: float = 0.0
    stalls: Callable[[float], float] = lambda _now_s: 0.0
    end_of: Callable[[int], str] = lambda _number: "succeeded"
    refuses: Callable[[int], bool] = lambda _number: False
    garbles: Callable[[bytes], bytes] = lambda answer: answer
    url: str = ""
    tls: ssl.SSLContext | None = None
    names: str = ""  # the origin in the addresses of its jobs, where that is another
    began: float = 0.0
    released_s: float = 0.0  # the end of the last stall, from the first submit
    submits: list[dict[str, Any]] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    due: dict[str, float] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    async def answer(self, method: str, target: str, token: str, body: bytes) -> bytes:
        parts = urlsplit(target)
        if method == "POST":
            self.began = self.began or time.monotonic()
            if (stall_s := self.stalls(time.monotonic() - self.began)) > 0:
                await asyncio.sleep(stall_s)
                self.released_s = time.monotonic() - self.began
            self.tokens[token] += 1
            return self.garbles(self._bulk(body) if parts.path.endswith("/bulk") else self._submit(body))
        if parts.path.startswith("/api/v1/models/"):
            return self._model(parts.path.split("/")[4])
        if parts.path == "/api/v1/jobs":
            return _reply(200, {"jobs": [self._view(job) for job in self.due], "next_cursor": None})
        return await self._wait(parts.path, parse_qs(parts.query))

    def _model(self, name: str) -> bytes:
        if not name.startswith("echo"):
            return _reply(404, {"status": 404, "code": "model_not_found", "detail": f"no model {name}"})
        return _reply(200, [{"version": "1", "aliases": ["default"], "example": {"text": "x"}}])

    def _submit(self, body: bytes) -> bytes:
        accepted = self._accepted(json.loads(body))
        if accepted is None:
            return _reply(429, {"status": 429, "code": "overloaded", "detail": "later"})
        return _reply(202, self._view(accepted))

    def _bulk(self, body: bytes) -> bytes:
        items: list[dict[str, Any]] = []
        for index, line in enumerate(body.splitlines()):
            job = self._accepted(json.loads(line))
            if job is None:
                items.append({"index": index, "problem": {"status": 429, "code": "overloaded", "detail": ""}})
            else:
                items.append({"index": index, "id": job, "state": "queued"})
        return _reply(202, {"jobs": items})

    def _accepted(self, job: dict[str, Any]) -> str | None:
        number = next(self.numbers)
        self.submits.append(job)
        if self.refuses(number):
            return None
        job_id = str(UUID(int=(int(time.time() * 1e3) << 80) | (0x7 << 76) | (0x8 << 60) | number))
        self.due[job_id] = time.monotonic() + self.service_s
        self.state[job_id] = self.end_of(number)
        return job_id

    async def _wait(self, path: str, query: dict[str, list[str]]) -> bytes:
        job = path.split("/")[4]
        events = path.endswith("/events")
        limit_s = 60.0 if events else float(query.get("wait", ["0"])[0])
        await asyncio.sleep(max(0.0, min(limit_s, self.due[job] - time.monotonic())))
        view = self._view(job)
        if events:
            return _bytes(200, b"event: end\ndata: %s\n\n" % json.dumps(view).encode())
        return _reply(200, view)

    def _view(self, job: str) -> dict[str, Any]:
        ended = self.due[job] <= time.monotonic() + 1e-3 and self.state[job] != "never"
        own = f"{self.names or self.url}/api/v1/jobs/{job}"
        urls = {"self": own, "wait": f"{own}?wait=30", "events": f"{own}/events", "cancel": f"{own}/cancel"}
        return {"id": job, "state": self.state[job] if ended else "queued", "urls": urls}


class StubLine(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self, platform: StubPlatform) -> None:
        self._platform, self._read = platform, b""
        self._tasks = set[asyncio.Task[None]]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, gap, body = self._read.partition(b"\r\n\r\n")
        if gap and len(body) >= length(head):
            self._read = b""
            task = asyncio.ensure_future(self._answer(head.decode(), body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, head: str, body: bytes) -> None:
        method, target, _ = head.split(" ", 2)
        token = head.lower().partition("bearer ")[2].partition("\r\n")[0]
        answer = await self._platform.answer(method, target, token, body)
        if not self._transport.is_closing():
            self._transport.write(answer)

    def connection_lost(self, _error: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()


def _reply(status: int, value: Any) -> bytes:
    return _bytes(status, json.dumps(value).encode())


def _bytes(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d Stub\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@contextmanager
def stub_platform(**script: Any) -> Iterator[StubPlatform]:
    """Serve on a thread of its own during the block."""
    platform, ready, over = StubPlatform(**script), Event(), Event()
    thread = Thread(target=lambda: asyncio.run(serve(platform, ready.set, over)))
    thread.start()
    try:
        assert ready.wait(10)
        yield platform
    finally:
        over.set()
        thread.join()


async def serve(platform: StubPlatform, ready: Callable[[], None], over: Event) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: StubLine(platform), "127.0.0.1", 0, backlog=2_000, ssl=platform.tls
    )
    platform.url = f"http{'s' if platform.tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ready()
    while not over.is_set():  # noqa: ASYNC110  # set by another thread
        await asyncio.sleep(0.02)
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def main() -> None:
    with stub_platform() as platform:
        print(platform.url, flush=True)
        with suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()

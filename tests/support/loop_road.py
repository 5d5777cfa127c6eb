"""Sends the submits of Django's test client through the ASGI application, on an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.http import HttpResponse
from starlette.types import Message

from jobs.api.app import Server
from jobs.api.http.body_limits import SUBMIT
from jobs.api.http.wsgi_threads import Environ
from jobs.api.streaming.hub import Hub


class LoopRoad:
    """One server in this process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="loop-road", daemon=True)
        self._thread.start()
        self.server = Server(get_wsgi_application())
        self.server._hub = Hub(name="loop-road")  # tests count the connections of a server

    def stop(self) -> None:
        async def close() -> None:
            await self.server._plain.close()
            await self.server.hub.stop()
            await asyncio.get_running_loop().shutdown_default_executor()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)
        self._close_connections()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _close_connections(self) -> None:
        """Close the database connection of each thread."""
        threads = self.server._threads._short
        if number := len(threads._threads):
            all_there = Barrier(number)

            def close(_: int) -> None:
                all_there.wait(10)
                connections.close_all()

            list(threads.map(close, range(number)))

    def takes(self, environ: Environ) -> bool:
        return (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("POST", SUBMIT)

    def answer(self, environ: Environ) -> HttpResponse:
        return asyncio.run_coroutine_threadsafe(self._answer(environ), self._loop).result(60)

    async def _answer(self, environ: Environ) -> HttpResponse:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        coming: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])
        sent: list[Message] = []

        async def receive() -> Message:
            try:
                return next(coming)
            except StopIteration:
                await asyncio.Event().wait()  # the client stays
                raise

        async def send(message: Message) -> None:
            sent.append(message)

        await self.server(_scope(environ), receive, send)
        start, *pieces = sent
        answer = HttpResponse(b"".join(piece["body"] for piece in pieces), status=start["status"])
        del answer.headers["Content-Type"]
        for name, value in start["headers"]:
            answer.headers[name.decode()] = value.decode("latin-1")
        answer.wsgi_request = WSGIRequest(environ)  # type: ignore[attr-defined]  # as Django's client has it
        return answer


@contextmanager
def loop_road() -> Iterator[LoopRoad]:
    """Run a server for the block."""
    road = LoopRoad()
    try:
        yield road
    finally:
        road.stop()


def _scope(environ: Environ) -> dict[str, Any]:
    path: str = environ["PATH_INFO"]
    return {
        "type": "http",
        "method": environ["REQUEST_METHOD"],
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": environ["QUERY_STRING"].encode(),
        "http_version": "1.1",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": (environ["REMOTE_ADDR"], 1),
        "headers": [
            (name.removeprefix("HTTP_").replace("_", "-").lower().encode(), str(value).encode("latin-1"))
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
        ],
    }

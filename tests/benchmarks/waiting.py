"""The three ways to wait for a job, over bare sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.wire import JOBS, length, request

LINE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Server:
    """A server and a token for it."""

    url: str
    token: str

    async def submit(self, body: dict[str, Any], prefer: str = "") -> dict[str, Any]:
        """Post a job and return the answer; with `prefer`, a value of that header, once the job has ended."""
        content = json.dumps(body).encode()
        async with self._call("POST", JOBS, content, f"Prefer: {prefer}\r\n" if prefer else "") as answer:
            return await _body(*answer)

    async def poll(self, job: str, wait_s: int) -> dict[str, Any]:
        """Return a job once it has ended."""
        async with self._call("GET", f"{JOBS}/{job}?wait={wait_s}") as answer:
            return await _body(*answer)

    async def follow(self, job: str) -> dict[str, Any]:
        """Return a job as its last event has it."""
        async with self._call("GET", f"{JOBS}/{job}/events") as (reader, _):
            event = b""
            while line := await reader.readline():
                event = line if line.startswith(b"event:") else event
                if line.startswith(b"data:") and event == b"event: end\n":
                    end: dict[str, Any] = json.loads(line[5:])
                    return end
        raise ConnectionError("the stream broke off")

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, content: bytes = b"", more: str = ""
    ) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=LINE_BYTES)
        try:
            writer.write(request(self.url, self.token, method, path, content, more))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 20"), head
            yield reader, length(head)
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader, size: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(await reader.readexactly(size))
    return body


def since_end_s(job: dict[str, Any]) -> float:
    """Return the seconds since a job's `finished_at`, when the transaction of its settle began."""
    return time.time() - datetime.fromisoformat(job["finished_at"]).timestamp()

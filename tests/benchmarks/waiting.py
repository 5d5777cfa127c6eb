"""The three ways to wait for a job, over bare sockets: a heavy client would measure itself."""

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

JOBS = "/api/v1/jobs"
LINE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Door:
    """A server and the token that opens it."""

    url: str
    token: str

    async def submit(self, body: dict[str, Any], prefer: str = "") -> dict[str, Any]:
        """Post a job and return the answer, with a `Prefer` header once the job has ended."""
        content = json.dumps(body).encode()
        async with self._call("POST", JOBS, content, f"Prefer: {prefer}\r\n" if prefer else "") as answer:
            return await _body(*answer)

    async def poll(self, job: str, wait_s: int) -> dict[str, Any]:
        """Return a job once it has ended."""
        async with self._call("GET", f"{JOBS}/{job}?wait={wait_s}") as answer:
            return await _body(*answer)

    async def follow(self, job: str) -> dict[str, Any]:
        """Return a job as the last of its events tells it."""
        async with self._call("GET", f"{JOBS}/{job}/events") as (reader, _):
            event = b""
            while line := await reader.readline():
                event = line if line.startswith(b"event:") else event
                if line.startswith(b"data:") and event == b"event: end\n":
                    told: dict[str, Any] = json.loads(line[5:])
                    return told
        raise ConnectionError("the stream broke off")

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, content: bytes = b"", more: str = ""
    ) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
        parts = urlsplit(self.url)
        head = f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {self.token}\r\n"
        head += f"{more}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=LINE_BYTES)
        try:
            writer.write(head.encode() + content)
            told = await reader.readuntil(b"\r\n\r\n")
            assert told.startswith(b"HTTP/1.1 20"), told
            yield reader, _length(told)
        finally:
            writer.close()


def _length(head: bytes) -> int:
    """Return the length of the body that follows `head`; 0 where it has none of its own."""
    lines = head.lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


async def _body(reader: asyncio.StreamReader, length: int) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(await reader.readexactly(length))
    return told


def told_after_s(job: dict[str, Any]) -> float:
    """Return the seconds from a job's end until now, which is when its settle's transaction began."""
    return time.time() - datetime.fromisoformat(job["finished_at"]).timestamp()

"""A stream of submits as bytes on a socket, so that a test decides when each byte is sent and read."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit


class SubmitWire:
    """One open stream: what a test sends is a chunk; `answer` reads one line, without the empty ones."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._file = connection.makefile("rb")
        self._lines = list[bytes]()
        self._rest = b""
        self.status = 0

    def send(self, data: bytes) -> None:
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def send_job(self, text: str = "hello", **more: Any) -> None:
        self.send(line_of(text, **more))

    def finish(self) -> None:
        self.socket.sendall(b"0\r\n\r\n")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def begin(self) -> int:
        """Read the head of the answer, and return its status."""
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass
        return self.status

    def answer(self) -> dict[str, Any]:
        """Return the next line; {} at the end."""
        if not self.status:
            assert self.begin() == 200
        while True:
            while self._lines:
                if line := self._lines.pop(0):
                    return json.loads(line)  # type: ignore[no-any-return]  # JSON is anything
            size = int(self._file.readline() or b"0", 16)
            data = self._rest + self._file.read(size)
            self._file.readline()
            *self._lines, self._rest = data.split(b"\n")
            if not size:
                return {}

    def answers(self) -> list[dict[str, Any]]:
        """Return all lines that are still to come."""
        return list(iter(self.answer, {}))


def line_of(text: str = "hello", **more: Any) -> bytes:
    return json.dumps({"model": "echo", "input": {"text": text}, **more}).encode() + b"\n"


@contextmanager
def submit_wire(url: str, token: str, *, timeout_s: float = 20.0) -> Iterator[SubmitWire]:
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout_s) as connection:
        head = (
            f"POST /api/v1/jobs/stream HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(head.encode())
        wire = SubmitWire(connection)
        try:
            yield wire
        finally:
            wire.close()

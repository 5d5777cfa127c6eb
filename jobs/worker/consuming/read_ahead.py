"""Read-ahead: the broker's frames are read from the socket in bursts, not in nine reads a message.

Each read releases the interpreter lock, and to get it back beside busy threads costs more than the read.
`patches.read_in_bursts` puts it before a connection, plain or TLS. A chunk is larger than a TLS record, so
that OpenSSL holds nothing back that the hub cannot see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CHUNK_BYTES = 65_536
BURST_FRAMES = 1_500


class ReadAhead:
    """Reads one connection in bursts; `recv` stands where the socket's own stood, and calls it."""

    def __init__(self, connection: Any, recv: Callable[[int], bytes]) -> None:
        self._connection, self._recv, self._held, self._at = connection, recv, b"", 0

    def recv(self, count: int) -> bytes:
        """Return at most `count` bytes of the chunk read last; what the socket raises is raised."""
        if self._at >= len(self._held):
            self._held, self._at = self._recv(CHUNK_BYTES), 0
        part = self._held[self._at : self._at + count]
        self._at += len(part)
        return part

    def read(self) -> None:
        """Dispatch every frame that has arrived."""
        frames = self._frames()
        while frames:
            for frame in frames:
                self._connection.on_inbound_frame(frame)
            frames = self._frames()

    def tick(self) -> None:
        """Dispatch what a synchronous call took from the socket beyond its own answer."""
        if self._at < len(self._held) and self._connection.connected:
            self.read()

    def _frames(self) -> list[tuple[int, int, bytes]]:
        frames: list[tuple[int, int, bytes]] = []
        transport = self._connection.transport
        try:
            with transport.having_timeout(0):
                while len(frames) < BURST_FRAMES:
                    frames.append(transport.read_frame())
        except TimeoutError:
            pass
        return frames

"""Read-ahead: the broker's frames are taken from the socket in bursts instead of nine reads a message.

Each read gives the interpreter lock away, and getting it back beside busy threads costs more than the
read. Measured figures stand in the README's decisions. Only py-amqp's plain TCP transport is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amqp.transport import TCPTransport

CHUNK_BYTES = 65_536
BURST_FRAMES = 1_500


class ReadAhead:
    """Reads one connection in bursts; `install` returns it where the connection's transport is plain TCP."""

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
        """Dispatch every frame that is there."""
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


def install(connection: Any, hub: Any) -> ReadAhead | None:
    """Read `connection` (py-amqp's) in bursts from now on; None where its transport is another kind."""
    transport = connection.transport
    if not isinstance(transport, TCPTransport):
        return None
    ahead = ReadAhead(connection, transport._quick_recv)  # noqa: SLF001  # py-amqp is pinned for it
    transport._quick_recv = ahead.recv  # noqa: SLF001
    hub.add_reader(transport.sock, ahead.read)
    hub.on_tick.add(ahead.tick)
    return ahead

"""A client of HTTP/2 over plain TCP for one request: no library that is installed speaks it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GO_AWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_STREAM = 1
_MOST_FRAME_BYTES = 16_384


def post_over_http2(
    port: int, path: str, pieces: Iterable[bytes], headers: Mapping[str, str], *, limit_s: float = 30.0
) -> bytes:
    """POST `pieces` without a Content-Length, as far as the server lets it, and return the answer's body."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as wire:
        pseudo = {":method": "POST", ":scheme": "http", ":authority": "127.0.0.1", ":path": path}
        wire.sendall(_PREFACE + _frame(_SETTINGS, 0, 0))
        wire.sendall(_frame(_HEADERS, _END_HEADERS, _STREAM, _block({**pseudo, **headers})))
        return _Exchange(wire).answer(b"".join(pieces))


class _Exchange:
    """Sends a body within the server's windows while it reads the answer."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire, self._windows = wire, {0: 65_535, _STREAM: 65_535}
        self._body, self._ended = b"", False

    def answer(self, body: bytes) -> bytes:
        frames = self._frames()
        sent = 0
        while not self._ended:
            most = min(*self._windows.values(), _MOST_FRAME_BYTES, len(body) - sent)
            if sent < len(body) and most <= 0:
                self._take(*next(frames))
                continue
            if sent <= len(body):
                last = sent + most == len(body)
                self._wire.sendall(_frame(_DATA, last * _END_STREAM, _STREAM, body[sent : sent + most]))
                self._windows = {key: size - most for key, size in self._windows.items()}
                sent += most + last  # beyond the end once the stream is ended
                continue
            self._take(*next(frames))
        return self._body

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at : at + 6])
                if name == 4:
                    self._windows[_STREAM] += value - 65_535
            self._wire.sendall(_frame(_SETTINGS, _ACK, 0))
        elif kind == _WINDOW:
            self._windows[stream] += int.from_bytes(payload) & 0x7FFF_FFFF
        elif kind == _DATA:
            self._body += payload
        elif kind in {_RESET, _GO_AWAY}:
            raise ConnectionError(f"the server broke the stream off: frame {kind}, {payload!r}")
        self._ended = self._ended or (kind in {_DATA, _HEADERS} and bool(flags & _END_STREAM))

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        with self._wire.makefile("rb") as stream:
            while head := stream.read(9):
                size = int.from_bytes(head[:3])
                yield head[3], head[4], int.from_bytes(head[5:]), stream.read(size)
        raise ConnectionError("the server ended the connection")


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _block(headers: Mapping[str, str]) -> bytes:
    """Return a header block of literals that are not indexed (RFC 7541, 6.2.2)."""
    texts = ((name.encode(), value.encode()) for name, value in headers.items())
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in texts)


def _text(text: bytes) -> bytes:
    assert len(text) < 127  # a longer one needs more than one byte for its length
    return bytes([len(text)]) + text

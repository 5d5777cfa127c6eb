"""A request's body on its way from the event loop to the thread that reads it; it may not stall."""

from __future__ import annotations

import asyncio
from io import BufferedReader, BytesIO, RawIOBase
from time import monotonic
from typing import BinaryIO

from django.conf import settings

from jobs.api.http.asgi_call import Call
from jobs.api.http.body import PIECE_BYTES
from jobs.core.errors import SlowBodyError

SLOWEST_BYTES_PER_S = 100_000  # beyond the first patience; a slower one holds a thread for nothing


class Inflow:
    """What a client sends; it belongs to the event loop, and `file` is for one thread."""

    def __init__(self, call: Call) -> None:
        """Begin with nothing read; a call that announces no body has none."""
        self._receive, self._loop = call.receive, asyncio.get_running_loop()
        self._began, self._size, self._held = monotonic(), 0, bytearray()
        self.whole = not {b"content-length", b"transfer-encoding"} & call.headers.keys()
        self._long = _announced(call) > PIECE_BYTES

    async def ahead(self) -> None:
        """Hold a short body whole; of one that is long by its headers nothing, for they may refuse it unread.

        SlowBodyError.
        """
        if not self._long:
            await self._hold(PIECE_BYTES)

    @property
    def file(self) -> BinaryIO:
        """Return the body as a file that waits for what has not come yet; its reads raise SlowBodyError."""
        return BytesIO(self._held) if self.whole else BufferedReader(_Rest(self), PIECE_BYTES)

    def take(self, most: int) -> bytes:
        """Return the next bytes, none at the end; on the thread that reads."""
        if not self._held and not self.whole:
            asyncio.run_coroutine_threadsafe(self._hold(most), self._loop).result()
        taken = bytes(self._held[:most])
        del self._held[:most]
        return taken

    async def _hold(self, least: int) -> None:
        while not self.whole and len(self._held) < least:
            await self._more()

    async def _more(self) -> None:
        allowed_s = settings.INFERENCE.body_patience_s + self._size / SLOWEST_BYTES_PER_S
        left_s = self._began + allowed_s - monotonic()
        try:
            async with asyncio.timeout(left_s):
                message = await self._receive()
        except TimeoutError:
            raise SlowBodyError from None
        piece: bytes = message.get("body", b"")  # a client that is gone sends nothing more
        self._held += piece
        self._size += len(piece)
        self.whole = not message.get("more_body", False)


def _announced(call: Call) -> int:
    length = call.headers.get(b"content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


class _Rest(RawIOBase):
    """An inflow as a raw file."""

    def __init__(self, inflow: Inflow) -> None:
        self._inflow = inflow

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        piece = self._inflow.take(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

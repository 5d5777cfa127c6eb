"""A request's body on its way from the event loop to the thread that reads it, with a limit on its time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from io import BufferedReader, BytesIO, RawIOBase
from time import monotonic
from typing import BinaryIO

from django.conf import settings

from jobs.api.http.asgi_call import Call, ClientGoneError
from jobs.api.http.body import PIECE_BYTES
from jobs.core.errors import SlowBodyError

SLOWEST_BYTES_PER_S = (
    100_000  # after the first seconds of patience; a slower body would occupy a thread for nothing
)
LINGER_S, LINGER_BYTES = 10.0, 128 * 2**20


class Inflow:
    """The body that a client sends; it belongs to the event loop, and `file` to one thread.

    In HTTP/1 a call that announces no body has none; in HTTP/2 no announcement is needed.
    """

    def __init__(self, call: Call) -> None:
        """Begin before the first byte."""
        self._receive, self._loop = call.request.receive, asyncio.get_running_loop()
        self._began, self._size, self._held = monotonic(), 0, bytearray()
        fields = {*call.request.headers}
        self.complete = not call.framed and not {"content-length", "transfer-encoding"} & fields
        self._long = _announced(call) > PIECE_BYTES
        self._asks_first = "expect" in fields

    @property
    def size(self) -> int:
        """Return how many bytes have arrived."""
        return self._size

    async def linger(self) -> None:
        """Receive and drop the rest of a body that was answered unread, within limits of time and size.

        Many clients read an answer only once they have sent everything; if the connection ended before, they
        would see a broken pipe instead of the reason.
        """
        if self._asks_first and not self._size:
            return  # the client waits for 100 Continue and sends nothing
        with suppress(TimeoutError, ClientGoneError):
            async with asyncio.timeout(LINGER_S):
                while not self.complete and self._size < LINGER_BYTES:
                    self._size += len(await self._receive_piece())

    async def ahead(self) -> None:
        """Receive a short body completely, and nothing of a long one, which may be refused by its headers.

        SlowBodyError, ClientGoneError.
        """
        if not self._long:
            await self._hold(PIECE_BYTES)

    @property
    def file(self) -> BinaryIO:
        """Return the body as a file whose reads wait for the client; they raise SlowBodyError."""
        return BytesIO(self._held) if self.complete else BufferedReader(_Rest(self), PIECE_BYTES)

    def take(self, most: int) -> bytes:
        """Return the next bytes, none at the end; called on the reading thread.

        ConnectionResetError where the client goes before the end, which no length might tell.
        """
        if not self._held and not self.complete:
            try:
                asyncio.run_coroutine_threadsafe(self._hold(most), self._loop).result()
            except ClientGoneError:
                raise ConnectionResetError("the client has gone away") from None
        piece = bytes(self._held[:most])
        del self._held[:most]
        return piece

    async def _hold(self, least: int) -> None:
        while not self.complete and len(self._held) < least:
            await self._more()

    async def _more(self) -> None:
        allowed_s = settings.INFERENCE.body_patience_s + self._size / SLOWEST_BYTES_PER_S
        remaining_s = self._began + allowed_s - monotonic()
        try:
            async with asyncio.timeout(remaining_s):
                piece = await self._receive_piece()
        except TimeoutError:
            raise SlowBodyError from None
        self._held += piece
        self._size += len(piece)

    async def _receive_piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.complete = True  # nothing more comes
            raise ClientGoneError
        self.complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece


def _announced(call: Call) -> int:
    length = call.request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


class _Rest(RawIOBase):
    """The rest of a body as a raw file."""

    def __init__(self, inflow: Inflow) -> None:
        self._inflow = inflow

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        piece = self._inflow.take(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

"""A request's body on its way to the thread that reads it: gathered on the event loop, in limited time.

No thread ever waits for the network. What is more than a little goes to a file.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from time import monotonic
from typing import BinaryIO

from django.conf import settings

from jobs.api.http.asgi_call import Call, ClientGoneError
from jobs.api.http.body_room import BodyRoom, Visit
from jobs.api.http.spool import Spool
from jobs.core.errors import BodyTooLargeError, SlowBodyError, UnavailableError

SLOWEST_BYTES_PER_S = 100_000  # after the first seconds of patience
MEMORY_BYTES = 262_144  # beyond these, a body goes to a file
LINGER_S, LINGER_BYTES = 10.0, 128 * 2**20
_writers = ThreadPoolExecutor(2, thread_name_prefix="bodies")


class Inflow:
    """The body that a client sends; it belongs to the event loop until it is complete.

    In HTTP/1 a call that announces no body has none; in HTTP/2 no announcement is needed.
    """

    def __init__(self, call: Call) -> None:
        """Begin before the first byte."""
        self._receive = call.request.receive
        self._began, self._size, self._held = monotonic(), 0, bytearray()
        self._spool: Spool | None = None
        self._room: tuple[BodyRoom, Visit] | None = None
        fields = {*call.request.headers}
        self.complete = not call.framed and not {"content-length", "transfer-encoding"} & fields
        self.announced = _announced(call)
        self._asks_first = "expect" in fields
        self.client: int | None = None  # whose call it is, where that has been found out

    @property
    def size(self) -> int:
        """Return how many bytes have arrived."""
        return self._size

    @property
    def file(self) -> BinaryIO:
        """Return the complete body as a file, which is read once."""
        return self._spool.reader() if self._spool else BytesIO(self._held)

    async def gather(self, most: int, room: BodyRoom, visit: Visit) -> None:
        """Receive the body completely, within `room`; `close` gives the room back.

        BodyTooLargeError, SlowBodyError, ClientGoneError, or an error of the room.
        """
        self._room = room, visit
        while not self.complete:
            piece = await self._within_its_time(visit)
            self._size += len(piece)
            if self._size > most:
                raise BodyTooLargeError(f"the body is larger than {most} bytes")
            room.grow(visit, len(piece))
            self._held += piece
            if len(self._held) > MEMORY_BYTES or (self._spool and self.complete):
                await self._write()
        room.arrived(visit)

    async def piece(self) -> bytes:
        """Receive the next piece, and do not keep it; ClientGoneError."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.complete = True  # nothing more comes
            raise ClientGoneError
        self.complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    def close(self) -> None:
        """Drop the body, and give its room back."""
        if self._room is not None:
            room, visit = self._room
            room.leave(visit)
            self._room = None
        if self._spool is not None:
            self._spool.close()

    async def linger(self) -> None:
        """Receive and drop the rest of a body that was answered unread, within limits of time and size.

        Many clients read an answer only once they have sent everything; if the connection ended before, they
        would see a broken pipe instead of the reason.
        """
        if (self._asks_first and not self._size) or (self.announced or 0) > LINGER_BYTES:
            return  # the client waits for 100 Continue and sends nothing, or would not come to its end
        with suppress(TimeoutError, ClientGoneError):
            async with asyncio.timeout(LINGER_S):
                while not self.complete and self._size < LINGER_BYTES:
                    self._size += len(await self.piece())

    async def _within_its_time(self, visit: Visit) -> bytes:
        allowed_s = settings.INFERENCE.body_patience_s + self._size / SLOWEST_BYTES_PER_S
        visit.check()
        try:
            async with asyncio.timeout(self._began + allowed_s - monotonic()) as visit.timer:
                return await self.piece()
        except TimeoutError:
            visit.check()
            raise SlowBodyError from None
        finally:
            visit.timer = None

    async def _write(self) -> None:
        piece, self._held = bytes(self._held), bytearray()
        try:
            await asyncio.get_running_loop().run_in_executor(_writers, self._spill, piece)
        except OSError as error:
            raise UnavailableError("The body cannot be kept now: send the call again.") from error

    def _spill(self, piece: bytes) -> None:
        self._spool = self._spool or Spool()
        self._spool.write(piece)


def _announced(call: Call) -> int | None:
    """Return the Content-Length; None without one, or where it is not a number."""
    length = call.request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None  # noqa: PLR2004  # more digits than any limit has

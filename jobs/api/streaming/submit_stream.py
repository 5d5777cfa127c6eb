"""`POST /jobs/stream`: jobs as lines over one connection, each answered by a line once it is stored.

While one group of lines is being stored, the next gathers; so a lone line waits for nobody. The server reads
no further than one group ahead, and stores the next group only once the answers of the last one were taken:
a client that does not read is not read from.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import close_old_connections

from jobs.api.auth import authenticated, presented_digest
from jobs.api.http.asgi_call import BIT_BYTES, Call, ClientGoneError
from jobs.api.http.body import check_encoding
from jobs.api.http.body_room import BodyRoom, HeldBytes
from jobs.api.http.doorkeeper import BODY_PARTS, Doorkeeper, shares_of
from jobs.api.http.request_stream import SLOWEST_BYTES_PER_S, Inflow
from jobs.api.http.wsgi_threads import Threads
from jobs.api.problems import problem, translate
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.stream_auth import StreamAuth
from jobs.api.streaming.submitted_lines import (
    GatheredLines,
    Line,
    LineSplitter,
    answer_line,
    refused,
    size_of,
    store_lines,
)
from jobs.api.streaming.token_watch import Ended
from jobs.core.access.scopes import Scope
from jobs.core.errors import SlowBodyError, UnauthenticatedError, UnavailableError
from jobs.metrics import STREAM_WAITING
from jobs.services.access.owner import owner_of
from jobs.services.access.request_origin import coming_from, with_token

KIND = "submits"
HEADERS = {"Content-Type": "application/x-ndjson", "X-Accel-Buffering": "no"}
KEEPALIVE = b"\n"
# For what was read before the server stops, which is given 8 seconds; and for a group that is being stored.
STOPPING_S, REVOKED_S, LAST_LINE_S = 3.0, 1.0, 1.0
STOPPING = "The server is stopping: open another stream, and send again what was not answered."


async def answer_submits(call: Call, hub: Hub, threads: Threads, door: Doorkeeper) -> None:
    """Answer one call; every error is a problem, on a last line of its own once the answer has begun."""
    inflow = Inflow(call)
    try:
        await _answer(call, inflow, hub, threads, door.room)
    except ClientGoneError:
        raise
    except Exception as error:  # noqa: BLE001  # a problem for the client, whatever it is
        await _refuse(call, error)
        await door.see_off(inflow, error)


async def _answer(call: Call, inflow: Inflow, hub: Hub, threads: Threads, room: BodyRoom) -> None:
    auth = StreamAuth(hub, call)
    inflow.client = (await auth.owner(Scope.SUBMIT)).id
    check_encoding(call.request.headers.get("content-encoding", ""))
    hub.stopping.listen()
    held = HeldBytes(room, shares_of(call, inflow, BODY_PARTS))
    with auth.waiting(hub.submits) as revoked, STREAM_WAITING.labels(KIND).track_inprogress():
        await call.begin(200, HEADERS)
        await call.piece(KEEPALIVE)  # so that the headers go out now
        try:
            await SubmitStream(call, inflow, threads, held).run(revoked, hub.stopping.heard)
        finally:
            held.free_all()
    await call.piece(b"", last=True)


async def _refuse(call: Call, error: Exception) -> None:
    if not call.begun:
        await call.refuse(error)
        return
    last = answer_line({"problem": problem(translate(error, call.request_id))})
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_LINE_S):  # the client may have stopped reading
            await call.piece(last, last=True)


class SubmitStream:
    """One client's stream: a task that reads, and one that stores and answers."""

    def __init__(self, call: Call, inflow: Inflow, threads: Threads, held: HeldBytes) -> None:
        """Prepare to read `inflow` and to store on `threads`."""
        self._call, self._inflow, self._threads, self._held = call, inflow, threads, held
        self._lines = LineSplitter(settings.INFERENCE.max_body_bytes)
        self._gathering = GatheredLines()
        self._answered = 0

    async def run(self, revoked: Ended, stopping: asyncio.Event) -> None:
        """Answer until the client has sent everything; raise the error that ends the stream sooner."""
        reading, answering = asyncio.ensure_future(self._read()), asyncio.ensure_future(self._answer())
        stop = asyncio.ensure_future(stopping.wait())
        tasks: list[asyncio.Future[Any]] = [answering, revoked, stop, reading]
        try:
            await asyncio.wait(tasks[:3], return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                reading.cancel()
                await self._finish(answering, drop=revoked.done())
            if answering.done():
                answering.result()
            if revoked.done():
                raise UnauthenticatedError("The bearer token is unknown, expired or revoked.")
            if stop.done():
                raise UnavailableError(STOPPING)
            await reading  # its error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self, answering: asyncio.Future[None], *, drop: bool) -> None:
        """Let the lines that were read be answered, or, if `drop`, only those that are being stored."""
        await self._gathering.close(drop=drop)
        await asyncio.wait({answering}, timeout=REVOKED_S if drop else STOPPING_S)

    async def _read(self) -> None:
        """Read until the body ends; SlowBodyError, ClientGoneError, or an error of the room."""
        waited_s = 0.0
        try:
            while not self._inflow.complete:
                began = monotonic()
                piece = await self._within_its_time(waited_s)
                waited_s += monotonic() - began
                await self._held.take(len(piece))
                before = self._lines.held
                lines = list(self._lines.feed(piece))
                if lines or not self._lines.is_within_a_line:
                    waited_s = 0.0
                self._held.free(before + len(piece) - self._lines.held - sum(map(size_of, lines)))
                await self._gathering.add(lines)
            await self._gathering.add(list(self._lines.last()))
        finally:
            await self._gathering.close()

    async def _within_its_time(self, waited_s: float) -> bytes:
        """Return the next piece: an idle stream may take any time, a line that has begun may not."""
        allowed_s = settings.INFERENCE.body_patience_s + self._lines.held / SLOWEST_BYTES_PER_S
        try:
            async with asyncio.timeout(allowed_s - waited_s if self._lines.is_within_a_line else None):
                return await self._inflow.piece()
        except TimeoutError:
            raise SlowBodyError("A line of the stream came too slowly.") from None

    async def _answer(self) -> None:
        """Store and answer one group after the other, until there are no more."""
        while group := await self._next_group():
            answer = await self._threads.run_long(self._call, self._inflow, self._store, group)
            self._answered += len(group)
            self._held.free(sum(map(size_of, group)))
            for start in range(0, len(answer), BIT_BYTES):
                await self._call.piece(answer[start : start + BIT_BYTES])

    async def _next_group(self) -> list[Line]:
        taking = asyncio.ensure_future(self._gathering.take())
        try:
            while not (await asyncio.wait({taking}, timeout=settings.INFERENCE.events_heartbeat_s))[0]:
                await self._call.piece(KEEPALIVE)
            return taking.result()
        finally:
            taking.cancel()

    def _store(self, group: list[Line]) -> bytes:
        """Store a group on a thread; the errors of the call's token, as it is now."""
        close_old_connections()
        with coming_from(self._call.address, began_s=monotonic()):
            digest = presented_digest(self._call.request.headers.get("authorization", ""))
            try:
                owner = owner_of(digest)
            except Exception as error:  # noqa: BLE001  # most likely the database is down
                return refused(group, translate(error, self._call.request_id), first=self._answered)
            owner = authenticated(owner, address=self._call.address)
            with_token(owner.token)
            return store_lines(owner, group, first=self._answered, request_id=self._call.request_id)

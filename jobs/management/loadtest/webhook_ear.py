"""A receiver of webhooks on loopback, for a load test that waits by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from secrets import token_urlsafe

import h11
import msgspec

from jobs.management.loadtest.platform_calls import SeenJob

PIECE_BYTES = 65_536
Heard = Callable[[str, str, float], None]


class HeardWebhook(msgspec.Struct, frozen=True):
    """The body of a webhook, as far as it is needed."""

    data: SeenJob


@asynccontextmanager
async def webhook_ear(heard: Heard) -> AsyncIterator[str]:
    """Receive webhooks during the block, at the yielded address, which cannot be guessed.

    `heard` gets each job's id, its state, and the loop's time at which the webhook came.
    """
    path = f"/{token_urlsafe(16)}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, h11.ProtocolError):
                await _serve(reader, writer, path, heard)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
    finally:
        server.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, heard: Heard) -> None:
    http, target, pieces = h11.Connection(h11.SERVER), b"", list[bytes]()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(PIECE_BYTES))
        elif isinstance(event, h11.Request):
            target, pieces = event.target, []
        elif isinstance(event, h11.Data):
            pieces.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            status = _take(target, path, b"".join(pieces), heard)
            writer.write(_answer(http, status))
            if http.our_state is h11.MUST_CLOSE:
                await writer.drain()
                return
            http.start_next_cycle()
        else:
            return


def _take(target: bytes, path: str, body: bytes, heard: Heard) -> int:
    if target.decode() != path:
        return 404
    try:
        job = msgspec.json.decode(body, type=HeardWebhook).data
    except msgspec.MsgspecError:
        return 400
    heard(job.id, job.state, asyncio.get_running_loop().time())
    return 204


def _answer(http: h11.Connection, status: int) -> bytes:
    head = http.send(h11.Response(status_code=status, headers=[("Content-Length", "0")]))
    return (head or b"") + (http.send(h11.EndOfMessage()) or b"")

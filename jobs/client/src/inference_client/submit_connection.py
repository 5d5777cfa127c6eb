"""One connection of a stream of submits. httpx reads no answer before it has sent a whole body; h11 may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import h11
import httpx

from inference_client.answers import PlatformRefusedError
from inference_client.calls import JOBS, problem_of
from inference_client.events import SILENCE_S

CONNECT_S = 10.0
PIECE_BYTES = 65_536
LOST = (OSError, h11.ProtocolError, EOFError)  # OSError: a timeout, too


class StreamRefusedError(PlatformRefusedError):
    """The platform refused a stream, or ended it; `retry_after_s` is the pause that it asks for."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(problem_of(response), response.headers.get("X-Request-ID", ""))
        after = response.headers.get("Retry-After", "")
        self.retry_after_s = float(after) if after.isdigit() else 0.0


class SubmitConnection:
    """An open stream: bytes in both directions at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection over."""
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)

    async def begin(self, url: httpx.URL, headers: Mapping[str, str]) -> None:
        """Send the head, and read the answer's; StreamRefusedError."""
        fields = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/x-ndjson",
            "Transfer-Encoding": "chunked",
            **headers,
        }
        target = url.raw_path.rstrip(b"/") + f"{JOBS}/stream".encode()
        await self._send(h11.Request(method="POST", target=target, headers=list(fields.items())))
        head = await self._event()
        while isinstance(head, h11.InformationalResponse):
            head = await self._event()
        if isinstance(head, h11.Response) and head.status_code != httpx.codes.OK:
            body = b"".join([piece async for piece in self.pieces()])
            raise StreamRefusedError(
                httpx.Response(head.status_code, headers=list(head.headers), content=body)
            )

    async def send(self, data: bytes) -> None:
        """Send a piece, as soon as the platform reads on."""
        await self._send(h11.Data(data=data))

    async def finish(self) -> None:
        """Send the end of the stream; the rest of the answer follows."""
        await self._send(h11.EndOfMessage())

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the answer as it comes, to its end."""
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def _send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    async def _event(self) -> h11.Event:
        while True:
            event = self._http.next_event()
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise EOFError("the platform closed the connection")
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # no other constants
            async with asyncio.timeout(SILENCE_S):
                self._http.receive_data(await self._reader.read(PIECE_BYTES))


@asynccontextmanager
async def submit_connection(url: httpx.URL, headers: Mapping[str, str]) -> AsyncIterator[SubmitConnection]:
    """Open a stream; the errors of LOST, and StreamRefusedError."""
    tls = httpx.create_ssl_context(trust_env=False) if url.scheme == "https" else None
    port = url.port or (443 if tls else 80)
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection(url.host, port, ssl=tls)
    try:
        connection = SubmitConnection(reader, writer)
        await connection.begin(url, headers)
        yield connection
    finally:
        writer.transport.abort()  # everything was answered, or will be sent again

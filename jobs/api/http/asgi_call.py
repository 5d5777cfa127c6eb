"""A call in the ASGI protocol: its request, the ways to answer it, and whether its client is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic

from django.conf import settings
from starlette.requests import Request
from starlette.types import Send

from jobs.api import problems
from jobs.api.access_log import CallRecord, begin_record
from jobs.api.http.client_address import client_address
from jobs.api.http.https_only import hsts
from jobs.api.http.request_id import request_id
from jobs.api.prefer import WaitRequest
from jobs.core.errors import PlatformError
from jobs.services.reads.job_views import View
from jobs.tracing.trace_context import trace_id_of

BIT_BYTES = 262_144
Headers = list[tuple[str, str]]
# HTTP/2 forbids them, and its clients take such an answer for a broken one.
OF_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade"})


class ClientGoneError(PlatformError):
    """The client has gone away."""


@dataclass(frozen=True, slots=True)
class AsgiResponse:
    """A complete answer to a call; `wait` names the job whose end may replace it."""

    status: int = 500
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    wait: WaitRequest = field(default_factory=WaitRequest)


@dataclass
class Call:
    """One HTTP request and the means to answer it; `begun` once the answer has begun, with `status`.

    It began at `began_s`, in monotonic seconds. `awaited` is the job that it waited for, once that has ended.
    """

    request: Request
    send: Send
    begun: bool = False
    request_id: str = field(init=False)
    began_s: float = field(default_factory=monotonic)
    awaited: View | None = None
    record: CallRecord = field(default_factory=begin_record)
    status: int | None = None

    def __post_init__(self) -> None:
        """Give the call its id."""
        self.request_id = request_id(self.request.headers.get("x-request-id", ""))

    @property
    def log_ids(self) -> dict[str, object]:
        """Return the ids that log lines of the call carry."""
        ids: dict[str, object] = {"request_id": self.request_id}
        if parent := self.request.headers.get("traceparent"):
            ids |= {"trace_id": trace} if (trace := trace_id_of(parent)) else {}
        return ids

    @property
    def framed(self) -> bool:
        """Return whether the protocol itself marks where a body ends, as HTTP/2 does."""
        return not self.request.scope["http_version"].startswith("1")

    @cached_property
    def address(self) -> str | None:
        """Return the client's address, from the proxies that are trusted."""
        peer = self.request.client.host if self.request.client else ""
        forwarded = ",".join(self.request.headers.getlist("x-forwarded-for"))
        return client_address(peer, forwarded, hops=settings.INFERENCE.trusted_proxy_hops)

    def header(self, name: str) -> str | None:
        """Return a header as Django sees it: joined where the call has it several times."""
        values = self.request.headers.getlist(name)
        return ",".join(values) if values else None

    async def gone(self) -> None:
        """Return when the client has gone away."""
        while (await self.request.receive())["type"] != "http.disconnect":
            pass

    async def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the status and headers; pieces of a body may follow."""
        fields = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers}
        await self._start(status, list(fields.items()))

    async def piece(self, body: bytes, *, last: bool = False) -> None:
        """Send a piece of the body, a large one in bits; ClientGoneError where the client takes too long."""
        sent = 0
        while len(body) - sent > BIT_BYTES:
            await self._bit(body[sent : sent + BIT_BYTES])
            sent += BIT_BYTES
        await self.send({"type": "http.response.body", "body": body[sent:], "more_body": not last})

    async def _bit(self, bit: bytes) -> None:
        try:
            async with asyncio.timeout(settings.INFERENCE.body_patience_s):
                await self.send({"type": "http.response.body", "body": bit, "more_body": True})
        except TimeoutError:
            raise ClientGoneError from None

    async def reply(self, answer: AsgiResponse) -> None:
        """Send a complete answer unchanged."""
        await self._start(answer.status, answer.headers)
        await self.piece(answer.body, last=True)

    async def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a complete answer with our common headers."""
        await self.begin(status, {"Content-Length": str(len(body)), **headers})
        await self.piece(body, last=True)

    async def refuse(self, error: Exception) -> None:
        """Answer any exception with a problem; where the answer has already begun, end it."""
        problem = problems.translate(error, self.request_id)
        if self.begun:
            await self.piece(b"", last=True)
            return
        status = problems.status_of(problem).value
        await self.answer(status, problems.problem_bytes(problem), problems.headers(problem))

    async def _start(self, status: int, headers: Headers) -> None:
        of_hop = OF_CONNECTION if self.framed else ()
        added = {"X-Request-ID": self.request_id, **hsts(self.request)}
        given = [pair for pair in headers if pair[0] not in added]
        pairs = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in (*given, *added.items())
            if name.lower() not in of_hop
        ]
        self.begun, self.status = True, status
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

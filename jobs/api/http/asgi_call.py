"""A call in the ASGI protocol: its request, the ways to answer it, and whether its client is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

import psycopg
from django.conf import settings

from jobs.api import problems
from jobs.api.http.client_address import client_address
from jobs.api.prefer import WaitRequest
from jobs.core.errors import PlatformError, UnavailableError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[str, str]]


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
    """One HTTP request and the means to answer it; `begun` once the answer has begun."""

    scope: Scope
    receive: Receive
    send: Send
    begun: bool = False

    @cached_property
    def headers(self) -> dict[bytes, str]:
        """Return the headers by lower-case name; of several with one name, the last."""
        return {name.lower(): value.decode("latin-1") for name, value in self.scope["headers"]}

    @property
    def address(self) -> str | None:
        """Return the client's address, from the proxies that are trusted."""
        peer = (self.scope.get("client") or ("",))[0]
        hops = settings.INFERENCE.trusted_proxy_hops
        return client_address(peer, self.headers.get(b"x-forwarded-for", ""), hops=hops)

    def parameter(self, name: str, default: str) -> str:
        """Return the last value of a query parameter."""
        query: bytes = self.scope["query_string"]
        return parse_qs(query.decode("latin-1")).get(name, [default])[-1]

    async def gone(self) -> None:
        """Return when the client has gone away."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the status and headers; pieces of a body may follow."""
        fields = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers}
        await self._start(status, list(fields.items()))

    async def piece(self, body: bytes, *, last: bool = False) -> None:
        """Send a piece of the body."""
        await self.send({"type": "http.response.body", "body": body, "more_body": not last})

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
        problem = _translate(error)
        if self.begun:
            await self.piece(b"", last=True)
            return
        status = problems.status_of(problem).value
        await self.answer(status, problems.problem_bytes(problem), problems.headers(problem))

    async def _start(self, status: int, headers: Headers) -> None:
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        self.begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})


def _translate(error: Exception) -> PlatformError:
    if isinstance(error, psycopg.OperationalError):
        return UnavailableError("The database does not answer.")
    return problems.translate(error)

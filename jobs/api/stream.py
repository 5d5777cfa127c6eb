"""The ASGI application: a job's page, which may wait, on the event loop; every other call through Django."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import msgspec
import psycopg
from django.conf import settings

from jobs.api import problems
from jobs.api.auth import bearer, check_scope
from jobs.api.body import check_length
from jobs.api.hub import Hub
from jobs.api.wait import bounded_wait_s
from jobs.core.addresses import client_address
from jobs.core.errors import (
    BodyTooLargeError,
    JobNotFoundError,
    MalformedRequestError,
    PlatformError,
    UnauthenticatedError,
    UnavailableError,
)
from jobs.core.scopes import Scope as TokenScope
from jobs.core.states import TERMINAL
from jobs.selectors.tokens import FIND, Owner, keep_owner, kept_owner, token_digest
from jobs.selectors.views import ONE, View, view_of
from jobs.services.audit import VIEWED, viewed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_JOB = re.compile(r"/api/v1/jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)
BULK = "/api/v1/jobs/bulk"


class ClientGoneError(PlatformError):
    """Nobody waits for this answer any more."""


class StreamApp:
    """Serves waiting calls itself, holding neither a thread nor a connection for one."""

    def __init__(self, django: App, hub: Hub | None = None) -> None:
        """Stand before Django's own ASGI application."""
        self._django = django
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI protocol."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["method"] == "GET" and (job := _JOB.fullmatch(scope["path"])):
            await self._answer_job(UUID(job[1]), scope, receive, send)
        else:
            await _within_limit(self._django, scope, receive, send)

    @property
    def hub(self) -> Hub:
        """Return the hub, made on the event loop that serves."""
        self._hub = self._hub or Hub(settings.INFERENCE.database_url)
        return self._hub

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        if self._hub is not None:
            await self._hub.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer_job(self, job_id: UUID, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientGoneError):
            try:
                headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
                owner = await self._owner(headers.get(b"authorization", ""))
                view = await self._job(job_id, owner, _asked_wait_s(scope), receive)
                await self._note_view(job_id, owner, _address(scope, headers))
                await _send(send, 200, msgspec.json.encode(view), {"Content-Type": "application/json"})
            except ClientGoneError:
                raise
            except Exception as error:  # noqa: BLE001  # the last frame before the server: nothing may pass
                await _refuse(send, _translate(error))

    async def _owner(self, header: str) -> Owner:
        key = token_digest(bearer(header))
        known, owner = kept_owner(key)
        if not known:
            owner = keep_owner(key, await self.hub.fetch(FIND, (key,)))
        if owner is None:
            raise UnauthenticatedError("The bearer token is unknown, expired or revoked.")
        check_scope(owner, TokenScope.READ)
        return owner

    async def _note_view(self, job_id: UUID, owner: Owner, address: str | None) -> None:
        """Write down that an admin's token is shown another client's job."""
        if owner.reach is None:
            await self.hub.fetch(VIEWED, viewed(owner, job_id, address))

    async def _job(self, job_id: UUID, owner: Owner, wait_s: float, receive: Receive) -> View:
        """Return a job of `owner`, once it has ended or `wait_s` are over."""
        ended = self.hub.expect(job_id)  # before the read: an end between the two is not missed
        try:
            view = await self._read(job_id, owner)
            if view["state"] in TERMINAL or wait_s <= 0:
                return view
            await _first(ended, receive, wait_s)
            return ended.result() if ended.done() else await self._read(job_id, owner)
        finally:
            self.hub.forget(job_id, ended)
            ended.cancel()

    async def _read(self, job_id: UUID, owner: Owner) -> View:
        rows = await self.hub.fetch(ONE, {"id": job_id, "client": owner.reach})
        if not rows:
            raise JobNotFoundError
        return view_of(rows[0])


async def _first(ended: asyncio.Future[View], receive: Receive, wait_s: float) -> None:
    """Return when the job has ended or the time is over; ClientGoneError when the client is gone before."""
    gone = asyncio.ensure_future(_disconnected(receive))
    either: set[asyncio.Future[Any]] = {ended, gone}
    try:
        await asyncio.wait(either, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not ended.done():
            raise ClientGoneError
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _asked_wait_s(scope: Scope) -> float:
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("wait", ["0"])[-1]
    try:
        wait_s = float(asked)
    except ValueError:
        raise MalformedRequestError("wait: it must be a number of seconds") from None
    return bounded_wait_s(wait_s) if wait_s == wait_s else 0.0  # noqa: PLR0124  # NaN differs from itself


def _address(scope: Scope, headers: dict[bytes, str]) -> str | None:
    peer = (scope.get("client") or ("",))[0]
    hops = settings.INFERENCE.trusted_proxy_hops
    return client_address(peer, headers.get(b"x-forwarded-for", ""), hops=hops)


def _translate(error: Exception) -> PlatformError:
    if isinstance(error, psycopg.OperationalError):
        return UnavailableError("The database does not answer.")
    return problems.translate(error)


async def _within_limit(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a call through `app`, which reads bodies whole, but refuse a body over the limit at its limit."""
    if scope["type"] != "http":
        await app(scope, receive, send)
        return
    config = settings.INFERENCE
    limit = config.max_bulk_body_bytes if scope["path"] == BULK else config.max_body_bytes
    length = next((value for name, value in scope["headers"] if name.lower() == b"content-length"), b"")
    try:
        check_length(length.decode("latin-1"), limit)
        await app(scope, _counted(receive, limit), send)
    except PlatformError as error:
        await _refuse(send, error)


def _counted(receive: Receive, limit: int) -> Receive:
    left = limit

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise BodyTooLargeError(f"the body is larger than {limit} bytes")
        return message

    return counted


async def _refuse(send: Send, error: PlatformError) -> None:
    status = problems.status_of(error).value
    await _send(send, status, problems.problem_bytes(error), problems.headers(error))


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    told = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Length": str(len(body)),
        **headers,
    }
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})

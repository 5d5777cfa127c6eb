"""One POST to a server of a client: to addresses that were resolved once, in a bounded time."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import certifi
import httpcore
from django.conf import settings

from jobs.core.errors import CallbackRefusedError
from jobs.core.webhooks.url import Endpoint, may_connect

LIMIT_S = 15.0
EXCERPT_BYTES = 300
_NOT_CONNECTED = (httpcore.ConnectError, httpcore.ConnectTimeout)
_ERRORS = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)
# A resolver may hang for longer than an attempt lasts; its threads are not those of anything else.
_RESOLVERS = ThreadPoolExecutor(64, thread_name_prefix="webhook-resolver")


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The outcome of an attempt: a status and the start of the body, or None and the reason as `text`."""

    status: int | None
    took_s: float
    text: str = ""
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What is posted where; `where` is the endpoint of `url`."""

    url: str
    where: Endpoint
    body: bytes
    headers: Mapping[str, str]


async def post(request: WebhookRequest, *, limit_s: float = LIMIT_S) -> WebhookResponse:
    """POST and return the outcome; redirects are not followed, and `limit_s` bounds the whole call.

    The host's addresses are tried in turn until one of them takes a connection. What follows is final,
    because the receiver may have read the request.
    """
    began, errors = time.monotonic(), list[str]()
    try:
        async with asyncio.timeout(limit_s):
            status, excerpt, after = await _first_answer(request, began + limit_s, errors)
    except TimeoutError:
        errors.append("ReadTimeout: the time is over")
    except (*_ERRORS, CallbackRefusedError) as error:
        errors.append(_sentence(error))
    else:
        return WebhookResponse(status, time.monotonic() - began, excerpt, after)
    return WebhookResponse(None, time.monotonic() - began, "; ".join(errors)[:EXCERPT_BYTES])


_Answer = tuple[int, str, str | None]


async def _first_answer(request: WebhookRequest, ends_at: float, errors: list[str]) -> _Answer:
    """Return the status, the beginning of the body and the Retry-After of the address that connects first."""
    addresses = await _addresses(request.where)
    for remaining in range(len(addresses), 0, -1):
        address = addresses[-remaining]
        share_s = max(ends_at - time.monotonic(), 0.0) / remaining  # the addresses share the time
        try:
            return await _exchange(request, address, share_s)
        except _NOT_CONNECTED as error:
            errors.append(f"{address}: {_sentence(error)}")
    raise CallbackRefusedError("no address took the connection")


async def _exchange(request: WebhookRequest, address: str, connect_s: float) -> _Answer:
    context = trusted(settings.INFERENCE.webhook_ca_file)
    fields = list({"Content-Type": "application/json", **request.headers}.items())
    limits = {"timeout": {"connect": connect_s}}
    async with (
        httpcore.AsyncConnectionPool(ssl_context=context, network_backend=_Network(address)) as pool,
        pool.stream("POST", request.url, headers=fields, content=request.body, extensions=limits) as response,
    ):
        excerpt = await _beginning(response.aiter_stream())
        return response.status, excerpt, _header(response.headers, b"retry-after")


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


async def _beginning(body: AsyncIterable[bytes]) -> str:
    """Return the first bytes as text: enough for the title of an error page."""
    start = b""
    async for part in body:
        start += part
        if len(start) >= EXCERPT_BYTES:
            break
    return start[:EXCERPT_BYTES].decode(errors="replace").replace("\0", "")


def _header(headers: Iterable[tuple[bytes, bytes]], lower_name: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == lower_name), None)


@cache
def trusted(ca_file: str) -> ssl.SSLContext:
    """Return what trusts the public authorities, and those of `ca_file` if it is given; OSError."""
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


class _Network(httpcore.AsyncNetworkBackend):
    """Connects to an address that was resolved and checked before: a second lookup could answer otherwise."""

    def __init__(self, address: str) -> None:
        self._address, self._sockets = address, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002  # the address stands for it
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._sockets.connect_tcp(self._address, port, timeout, local_address, socket_options)


async def _addresses(where: Endpoint) -> list[str]:
    """Return the host's addresses that may be called, in the order of the resolver; CallbackRefusedError."""
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, _resolved, where)
    addresses = dict.fromkeys(str(info[4][0]) for info in found)
    allowed = [one for one in addresses if may_connect(one.partition("%")[0], internal=where.internal)]
    if not allowed:
        raise CallbackRefusedError(f"{where.host} has no address that may be called")
    return allowed


def _resolved(where: Endpoint) -> list[Any]:
    return socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)

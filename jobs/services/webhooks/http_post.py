"""One POST to a server of a client: to addresses that were resolved once, in a bounded time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Mapping
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


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The outcome of an attempt: a status and the start of the body, or None and the reason as `text`."""

    status: int | None
    took_s: float
    text: str = ""
    retry_after: str | None = None


def post(
    url: str, where: Endpoint, body: bytes, headers: Mapping[str, str], *, limit_s: float = LIMIT_S
) -> WebhookResponse:
    """POST `body` and return the outcome; redirects are not followed, and `limit_s` bounds the whole call.

    The host's addresses are tried in turn until one of them takes a connection. What follows is final,
    because the receiver may have read the request.
    """
    began = time.monotonic()
    ends_at = began + limit_s
    fields = list({"Content-Type": "application/json", **headers}.items())
    errors = list[str]()
    try:
        addresses = _addresses(where)
        for remaining in range(len(addresses), 0, -1):
            route = _Route(addresses[-remaining], _share(ends_at, remaining), ends_at)
            try:
                status, excerpt, after = _exchange(url, route, fields, body)
            except _NOT_CONNECTED as error:
                errors.append(f"{route.address}: {_sentence(error)}")
            else:
                return WebhookResponse(status, time.monotonic() - began, excerpt, after)
    except (*_ERRORS, CallbackRefusedError) as error:
        errors.append(_sentence(error))
    return WebhookResponse(None, time.monotonic() - began, "; ".join(errors)[:EXCERPT_BYTES])


def _exchange(
    url: str, route: _Route, fields: list[tuple[str, str]], body: bytes
) -> tuple[int, str, str | None]:
    """Return the status, the beginning of the body and the Retry-After of one request by `route`."""
    context = trusted(settings.INFERENCE.webhook_ca_file)
    with (
        httpcore.ConnectionPool(ssl_context=context, network_backend=_Network(route)) as pool,
        pool.stream("POST", url, headers=fields, content=body) as response,
    ):
        excerpt = _beginning(response.iter_stream())
        return response.status, excerpt, _header(response.headers, b"retry-after")


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _beginning(body: Iterable[bytes]) -> str:
    """Return the first bytes as text: enough for the title of an error page."""
    start = b""
    for part in body:
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


@dataclass(frozen=True, slots=True)
class _Route:
    """One checked address of the host, until when it may take the connection, and when the call ends."""

    address: str
    connected_by: float
    ends_at: float


class _Network(httpcore.NetworkBackend):
    """Connects to an address that was resolved and checked before: a second lookup could answer otherwise."""

    def __init__(self, route: _Route) -> None:
        self._route = route
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002  # the address stands for it
        port: int,
        timeout: float | None = None,  # noqa: ARG002  # the whole call has one limit
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout_s = _remaining_s(self._route.connected_by, httpcore.ConnectTimeout)
        stream = self._sockets.connect_tcp(
            self._route.address, port, timeout_s, local_address, socket_options
        )
        return _Bounded(stream, self._route)


class _Bounded(httpcore.NetworkStream):
    """A connection on which each wait ends with the call's time: a slow trickle does not prolong the call."""

    def __init__(self, stream: httpcore.NetworkStream, route: _Route) -> None:
        self._stream, self._route = stream, route

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  # as above
        return self._stream.read(max_bytes, _remaining_s(self._route.ends_at))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, _remaining_s(self._route.ends_at))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Encrypt; a server that does not manage that is as good as not connected."""
        timeout_s = _remaining_s(self._route.connected_by, httpcore.ConnectTimeout)
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, timeout_s), self._route)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _share(ends_at: float, remaining: int) -> float:
    """Return until when the next of `remaining` addresses may take the connection: their time is shared."""
    now = time.monotonic()
    return now + (ends_at - now) / remaining


def _remaining_s(ends_at: float, over: type[Exception] = httpcore.ReadTimeout) -> float:
    remaining_s = ends_at - time.monotonic()
    if remaining_s <= 0:
        raise over("the time is over")
    return remaining_s


def _addresses(where: Endpoint) -> list[str]:
    """Return the host's addresses that may be called, in the order of the resolver; CallbackRefusedError."""
    found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(info[4][0]) for info in found)
    allowed = [one for one in addresses if may_connect(one.partition("%")[0], internal=where.internal)]
    if not allowed:
        raise CallbackRefusedError(f"{where.host} has no address that may be called")
    return allowed

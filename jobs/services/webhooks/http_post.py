"""One POST to a server of a client: to an address that was resolved once, in a bounded time."""

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

from jobs.core.errors import CallbackRefusedError
from jobs.core.webhooks.url import Endpoint, may_connect

LIMIT_S = 15.0
EXCERPT_BYTES = 300
_ERRORS = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The outcome of one attempt: a status with the body's start as `text`, or no status with the reason."""

    status: int | None
    took_s: float
    text: str = ""
    retry_after: str | None = None


def post(
    url: str, where: Endpoint, body: bytes, headers: Mapping[str, str], *, limit_s: float = LIMIT_S
) -> WebhookResponse:
    """POST `body` and return the outcome; redirects are not followed, and `limit_s` bounds the whole call."""
    began = time.monotonic()
    network = _Network(where, began + limit_s)
    with httpcore.ConnectionPool(ssl_context=_trusted(), network_backend=network) as pool:
        try:
            fields = list({"Content-Type": "application/json", **headers}.items())
            with pool.stream("POST", url, headers=fields, content=body) as response:
                excerpt = _beginning(response.iter_stream())
                status, after = response.status, _header(response.headers, b"retry-after")
        except (*_ERRORS, CallbackRefusedError) as error:
            reason = f"{type(error).__name__}: {error}"[:EXCERPT_BYTES]
            return WebhookResponse(None, time.monotonic() - began, reason)
    return WebhookResponse(status, time.monotonic() - began, excerpt, after)


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
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


class _Network(httpcore.NetworkBackend):
    """Connects to an allowed address of the host, resolved once: a second lookup could answer otherwise."""

    def __init__(self, where: Endpoint, ends_at: float) -> None:
        self._where, self._ends_at = where, ends_at
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  # the whole call has one limit
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address = _address(host, port, internal=self._where.internal)
        timeout_s = _remaining_s(self._ends_at)
        stream = self._sockets.connect_tcp(address, port, timeout_s, local_address, socket_options)
        return _Bounded(stream, self._ends_at)


class _Bounded(httpcore.NetworkStream):
    """A connection on which each wait ends with the call's time: a slow trickle does not prolong the call."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float) -> None:
        self._stream, self._ends_at = stream, ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  # as above
        return self._stream.read(max_bytes, _remaining_s(self._ends_at))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, _remaining_s(self._ends_at))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _remaining_s(self._ends_at))
        return _Bounded(secured, self._ends_at)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _remaining_s(ends_at: float) -> float:
    remaining_s = ends_at - time.monotonic()
    if remaining_s <= 0:
        raise httpcore.ReadTimeout("the time for the whole call is over")
    return remaining_s


def _address(host: str, port: int, *, internal: bool) -> str:
    addresses = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in addresses:
        if may_connect(address.partition("%")[0], internal=internal):
            return address
    raise CallbackRefusedError(f"{host} has no address that may be called")

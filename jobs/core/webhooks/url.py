"""Where a webhook may be sent: rules for its URL, and for the IP addresses of its host. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from jobs.core.errors import CallbackRefusedError
from jobs.core.webhooks.special_addresses import is_special

MAX_URL_CHARS = 2_000
PORTS = {"https": 443, "http": 80}
MAX_HOST_CHARS = 253
# A label of more than 63 characters, or an empty one, cannot be looked up.
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that a webhook may be sent to; an `internal` host may resolve to any address."""

    scheme: str
    host: str
    port: int
    internal: bool


def endpoint(url: str, *, internal_hosts: Collection[str]) -> Endpoint:
    """Return the endpoint of `url`; CallbackRefusedError says why no webhook is sent there."""
    if len(url) > MAX_URL_CHARS:
        raise CallbackRefusedError(f"callback_url has {len(url)} characters; at most {MAX_URL_CHARS}")
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        raise CallbackRefusedError("callback_url holds characters that a URL has to escape")
    parts, port = _split(url)
    host = _host(parts)
    internal = host in internal_hosts
    _check_parts(url, parts, internal=internal)
    return Endpoint(parts.scheme, host, port or PORTS[parts.scheme], internal)


def may_connect(address: str, *, internal: bool) -> bool:
    """Return whether a webhook may go to this IP address: public, or any address of an internal host."""
    return internal or not is_special(ip_address(address))


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CallbackRefusedError(f"callback_url is no URL: {error}") from None
    return parts, port


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").removesuffix(".")
    if _is_literal(host) or (_HOST_NAME.fullmatch(host) and len(host) <= MAX_HOST_CHARS):
        return host
    raise CallbackRefusedError("callback_url names no host: a name's parts have 1 to 63 characters each")


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone has a meaning on this machine only


def _check_parts(url: str, parts: SplitResult, *, internal: bool) -> None:
    if parts.scheme != "https" and not (internal and parts.scheme == "http"):
        raise CallbackRefusedError("callback_url must be https")
    if "@" in parts.netloc:
        raise CallbackRefusedError("callback_url must name no user or password")
    if "#" in url:
        raise CallbackRefusedError("callback_url must have no fragment")
    if not internal and _is_literal(host := _host(parts)) and not may_connect(host, internal=False):
        raise CallbackRefusedError("callback_url names an address that is not public")

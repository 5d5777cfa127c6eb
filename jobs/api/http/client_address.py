"""A client's address: the peer's, or the one that trusted proxies forward."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

KNOWN = 4_096  # addresses whose texts were read lately: an app sends many calls from one
IPV6_PREFIX = 64  # a host may choose any address in such a network


@lru_cache(maxsize=KNOWN)
def client_address(peer: str, forwarded: str, *, hops: int) -> str | None:
    """Return the client's address behind `hops` trusted proxies; None where the header holds no address.

    Each proxy appends its own peer to X-Forwarded-For, so the last `hops` entries come from the proxies. The
    client may have written anything before them.
    """
    if hops == 0 or not forwarded.strip():
        return _address(peer)
    return _address(forwarded.rsplit(",", hops)[-hops:][0])


def network_of(address: str | None) -> str | None:
    """Return what limits count an address under: itself, or the first address of an IPv6 host's network."""
    if address is None or ":" not in address:
        return address
    mapped = IPv6Address(address).ipv4_mapped
    return str(mapped or IPv6Network((address, IPV6_PREFIX), strict=False).network_address)


def _address(text: str) -> str | None:
    """Return an address as Postgres takes it: without a port, brackets or an IPv6 zone."""
    text = text.strip().partition("%")[0]
    for candidate in (text, text.strip("[]"), text.rpartition(":")[0].strip("[]")):
        try:
            return str(ip_address(candidate))
        except ValueError:
            continue
    return None

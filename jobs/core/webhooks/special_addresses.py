"""The blocks of addresses that are no public host: IANA's registries of special purposes, as a table. Pure.

Sources: iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, whole, the rows that
are "globally reachable" too, because no receiver of webhooks lies there; multicast; blocks that carry an IPv4
address which a gateway may unpack; and services of a cloud's own host. Python's `is_global` knows only what
was registered when that Python was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

SPECIAL_V4: Final[Mapping[str, str]] = {
    "0.0.0.0/8": "this network (RFC 791)",
    "10.0.0.0/8": "private use (RFC 1918)",
    "100.64.0.0/10": "shared addresses of carriers (RFC 6598)",
    "127.0.0.0/8": "loopback (RFC 1122)",
    "168.63.129.16/32": "the host of an Azure machine; not in the registry",
    "169.254.0.0/16": "link local (RFC 3927), and the metadata of clouds",
    "172.16.0.0/12": "private use (RFC 1918)",
    "192.0.0.0/24": "protocol assignments (RFC 6890), and Oracle's metadata at 192.0.0.192",
    "192.0.2.0/24": "documentation (RFC 5737)",
    "192.31.196.0/24": "AS112 (RFC 7535)",
    "192.52.193.0/24": "multicast tunnels (RFC 7450)",
    "192.88.99.0/24": "relays of 6to4 and 6a44 (RFC 7526, RFC 6751)",
    "192.168.0.0/16": "private use (RFC 1918)",
    "192.175.48.0/24": "AS112 (RFC 7534)",
    "198.18.0.0/15": "benchmarks (RFC 2544)",
    "198.51.100.0/24": "documentation (RFC 5737)",
    "203.0.113.0/24": "documentation (RFC 5737)",
    "224.0.0.0/4": "multicast (RFC 5771)",
    "240.0.0.0/4": "reserved and broadcast (RFC 1112, RFC 8190)",
}
SPECIAL_V6: Final[Mapping[str, str]] = {
    "::/96": "unspecified, loopback, and IPv4 that is compatible (RFC 4291)",
    "::ffff:0:0/96": "IPv4 that is mapped (RFC 4291)",
    "::ffff:0:0:0/96": "IPv4 that is translated (RFC 2765)",
    "64:ff9b::/96": "NAT64: carries IPv4 (RFC 6052)",
    "64:ff9b:1::/48": "NAT64 of a network's own: carries IPv4 (RFC 8215)",
    "100::/64": "discard only (RFC 6666)",
    "100:0:0:1::/64": "dummy addresses (RFC 9780)",
    "2001::/23": "protocol assignments (RFC 2928), of which Teredo (2001::/32) carries IPv4 (RFC 4380)",
    "2001:db8::/32": "documentation (RFC 3849)",
    "2002::/16": "6to4: carries IPv4 (RFC 3056)",
    "2620:4f:8000::/48": "AS112 (RFC 7534)",
    "3fff::/20": "documentation (RFC 9637)",
    "5f00::/16": "segment routing (RFC 9602)",
    "fc00::/7": "unique local (RFC 4193)",
    "fe80::/10": "link local (RFC 4291)",
    "fec0::/10": "site local (RFC 3879)",
    "ff00::/8": "multicast (RFC 4291)",
}
# IANA gives public addresses out of this block alone, so what is registered later lies outside or above.
_PUBLIC_V6 = IPv6Network("2000::/3")
_V4 = tuple(map(IPv4Network, SPECIAL_V4))
_V6 = tuple(map(IPv6Network, SPECIAL_V6))
_INTERFACE = (1 << 64) - 1
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})  # the upper half of an interface that carries IPv4 (RFC 5214)


def is_special(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is anything but that of a public host."""
    if isinstance(address, IPv4Address):
        return any(address in block for block in _V4)
    if address not in _PUBLIC_V6 or (int(address) & _INTERFACE) >> 32 in _ISATAP:
        return True
    return any(address in block for block in _V6)

"""The address of Postgres: every part of a URL, read by libpq's own parser, the same for every driver."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import psycopg
from psycopg.conninfo import conninfo_to_dict

LAST_PORT = 65_535
SCHEMES = ("postgresql://", "postgres://")
# The loss of a database host is noticed in seconds; the system's own limits are hours.
DEFAULTS: Mapping[str, int] = MappingProxyType(
    {
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
)


def database_url(text: str) -> str:
    """Return a URL that libpq can read; ValueError, which names the part but never quotes the password."""
    if not text.startswith(SCHEMES):
        raise ValueError("must begin with postgresql:// or postgres://")
    try:
        parts = conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        raise ValueError(_fault(text)) from None
    if "options" in parts:
        raise ValueError("must not have `options`, which poolers refuse: the settings are made by SET")
    if not parts.get("dbname"):
        raise ValueError("must end in the name of a database")
    hosts, ports = str(parts.get("host", "")).split(","), str(parts.get("port", "")).split(",")
    if any("@" in host[1:] for host in hosts):  # one that begins with it is a socket without a file
        raise ValueError("has a host with an @ in it: write that of a user or password as %40")
    if len(ports) not in {1, len(hosts)}:
        raise ValueError(
            f"has {len(hosts)} hosts and {len(ports)} ports; give one port, or one for each host"
        )
    if not all(port.isdigit() and 0 < int(port) <= LAST_PORT for port in ports if port):
        raise ValueError("has a port that is not a number from 1 to 65535")
    return text


def parameters(url: str) -> dict[str, str | int]:
    """Return psycopg's connection parameters of a URL, with limits of ours where it names none."""
    address = url.replace("postgresql+psycopg://", SCHEMES[0], 1)  # as SQLAlchemy writes it
    return {
        **DEFAULTS,
        **{name: value for name, value in conninfo_to_dict(address).items() if value is not None},
    }


def _fault(text: str) -> str:
    scheme, _, rest = text.partition("://")
    try:
        conninfo_to_dict(f"{scheme}://{rest.rpartition('@')[2]}")
    except psycopg.ProgrammingError as error:
        return f"cannot be read: {' '.join(str(error).split())}"
    return (
        "cannot be read: write characters of the user or password such as %, @, / and : as %25, %40, %2F, %3A"
    )

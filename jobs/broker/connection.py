"""Connections to the broker with a limit on every wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import kombu
from amqp.exceptions import AMQPError

from jobs.core.errors import BrokerUnavailableError

# In a memory alarm the broker stops reading, and a lost host never answers.
SOCKET_TIMEOUT_S = 5.0
BROKER_ERRORS = (AMQPError, OSError)


def connect(
    url: str, on_blocked: Callable[[str], None] | None = None, *, timeout_s: float = SOCKET_TIMEOUT_S
) -> kombu.Connection:
    """Return an open connection with timeouts on every read and write, or raise BrokerUnavailableError."""
    connection = kombu.Connection(
        url,
        connect_timeout=timeout_s,
        transport_options={
            "read_timeout": timeout_s,
            "write_timeout": timeout_s,
            "on_blocked": on_blocked,
            "client_properties": {"connection_name": "relay"},
        },
    )
    with broker_errors():
        connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
    return connection


@contextmanager
def broker_errors(*expected: type[Exception]) -> Iterator[None]:
    """Translate errors of the broker and the network into BrokerUnavailableError, but for `expected`."""
    try:
        yield
    except expected:
        raise
    except BROKER_ERRORS as error:
        raise BrokerUnavailableError(f"The broker cannot be reached, or refuses: {error}") from error


@contextmanager
def connected(url: str, *, timeout_s: float = SOCKET_TIMEOUT_S) -> Iterator[kombu.Connection]:
    """Hold a connection for a few calls; BrokerUnavailableError where one of them fails."""
    connection = connect(url, timeout_s=timeout_s)
    try:
        with broker_errors():
            yield connection
    finally:
        connection.collect(timeout_s)

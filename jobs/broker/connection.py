"""A connection to the broker on which nothing waits for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import kombu
from amqp.exceptions import AMQPError

from jobs.core.errors import BrokerUnavailableError

# The broker stops reading in a memory alarm, and a black hole answers nothing.
SOCKET_TIMEOUT_S = 5.0
BROKER_ERRORS = (AMQPError, OSError)


def connect(
    url: str, on_blocked: Callable[[str], None] | None = None, *, timeout_s: float = SOCKET_TIMEOUT_S
) -> kombu.Connection:
    """Return a connected connection with timeouts on every read and write; BrokerUnavailableError if not."""
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
def broker_errors(*answers: type[Exception]) -> Iterator[None]:
    """Turn whatever the broker or the network did into BrokerUnavailableError, but for `answers`."""
    try:
        yield
    except answers:
        raise
    except BROKER_ERRORS as error:
        raise BrokerUnavailableError(f"The broker cannot be reached: {error}") from error


@contextmanager
def connected(url: str, *, timeout_s: float = SOCKET_TIMEOUT_S) -> Iterator[kombu.Connection]:
    """Hold a connection for a few calls; BrokerUnavailableError where it fails."""
    connection = connect(url, timeout_s=timeout_s)
    try:
        with broker_errors():
            yield connection
    finally:
        connection.collect(timeout_s)

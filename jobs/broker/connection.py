"""Connections to the broker with a limit on every wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import kombu
from amqp.exceptions import AMQPError

from jobs.broker.tls import SCHEME, TlsRefusedError
from jobs.core.errors import BrokerTlsError, BrokerUnavailableError

logger = logging.getLogger(__name__)

# In a memory alarm the broker stops reading, and a lost host never answers.
SOCKET_TIMEOUT_S = 5.0
BROKER_ERRORS = (AMQPError, OSError)
_answered = dict[str, str]()  # by the whole URL, the node that answered last


def connect(
    url: str, on_blocked: Callable[[str], None] | None = None, *, timeout_s: float = SOCKET_TIMEOUT_S
) -> kombu.Connection:
    """Return an open connection with timeouts on every read and write, or raise BrokerUnavailableError.

    Of several nodes, with semicolons between, each is tried once: first the one that answered last. It is
    BrokerTlsError where none answers and one is not trusted.
    """
    failures = list[Exception]()
    for node in sorted(url.split(";"), key=lambda node: node != _answered.get(url)):
        try:
            connection = _open(node, on_blocked, timeout_s)
        except BROKER_ERRORS as error:
            failures.append(error)
        else:
            _answered[url] = node
            return connection
    untrusted = any(isinstance(failure, TlsRefusedError) for failure in failures)
    kind = BrokerTlsError if untrusted else BrokerUnavailableError
    reasons = "; ".join(str(failure) for failure in failures)
    raise kind(f"The broker cannot be reached, or refuses: {reasons}") from failures[-1]


def _open(
    node: str, on_blocked: Callable[[str], None] | None = None, timeout_s: float = SOCKET_TIMEOUT_S
) -> kombu.Connection:
    connection = kombu.Connection(
        node,
        connect_timeout=timeout_s,
        transport_options={
            "read_timeout": timeout_s,
            "write_timeout": timeout_s,
            "on_blocked": on_blocked,
            "client_properties": {"connection_name": "relay"},
        },
    )
    # kombu goes on to the next node only where it may try for ever, so each has a connection of its own.
    return connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)


def refuse_untrusted(url: str) -> None:
    """Raise BrokerTlsError if no node can be connected to and one is not trusted; for a process's start.

    A broker that is away is no reason not to start: it may come back.
    """
    if SCHEME not in url:
        return
    try:
        connect(url).collect(SOCKET_TIMEOUT_S)
    except BrokerTlsError:
        raise
    except BrokerUnavailableError as error:
        logger.warning("%s", error)


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

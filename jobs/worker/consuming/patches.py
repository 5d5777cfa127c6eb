"""The worker's changes to Celery and py-amqp, and the internals of libraries on which it relies.

Each part names the version whose source was read for it. `check` compares when a worker starts: a change
there would raise nothing, but starve a model or lose an acknowledgement weeks later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from inspect import signature, unwrap
from operator import attrgetter
from typing import Any

from amqp.transport import SSLTransport, TCPTransport
from celery.worker.consumer.tasks import Tasks

from jobs.core.errors import LibraryChangedError
from jobs.worker.consuming.read_ahead import ReadAhead


@dataclass(frozen=True, slots=True)
class Inside:
    """A function of a library: its parameters, and names that its code has to use, separated by spaces."""

    path: str
    parameters: str
    uses: str = ""


@dataclass(frozen=True, slots=True)
class ReadLibrary:
    """A library, the version that was read, and what is relied on there; `1.2.3` vouches for every `1.2`."""

    name: str
    version: str
    insides: tuple[Inside, ...]


_CONSUMER = "celery.worker.consumer:Consumer"
LIBRARIES = (
    ReadLibrary(
        "celery",
        "5.7.0",
        (
            # Replaced by `apply`.
            Inside("celery.worker.consumer.tasks:Tasks.qos_global", "self c"),
            Inside("celery.worker.consumer.tasks:Tasks.start", "self c", "qos_global"),
            # Overridden by JobConsumer and UndelayedConsumer.
            Inside(f"{_CONSUMER}.connect", "self"),
            Inside(f"{_CONSUMER}.stop", "self"),
            Inside(f"{_CONSUMER}.on_ready", "self"),
            Inside(f"{_CONSUMER}.ensure_connected", "self conn", "ensure_connection"),
            Inside(f"{_CONSUMER}.on_connection_error_after_connected", "self exc"),
            Inside(f"{_CONSUMER}.create_task_handler", "self promise", "on_unknown_message strategies"),
            Inside(f"{_CONSUMER}.update_strategies", "self", "strategies"),
            Inside(f"{_CONSUMER}.on_decode_error", "self message exc"),
            Inside(f"{_CONSUMER}.on_unknown_task", "self body message exc"),
            Inside(f"{_CONSUMER}.on_unknown_message", "self body message"),
            Inside(f"{_CONSUMER}.on_invalid_task", "self body message exc"),
            Inside("celery.worker.consumer.delayed_delivery:DelayedDelivery.include_if", "self c"),
            # Called by JobConsumer and TaskEvents.
            Inside("celery.utils.threads:bound_open_broker_sockets", "connection timeout"),
            Inside(
                "celery.events.dispatcher:EventDispatcher.publish",
                "self type fields producer blind Event kwargs",
                "_prepare_event _publish replace",
            ),
            Inside("celery.events.dispatcher:EventDispatcher._prepare_event", "self type fields blind Event"),
            # Overridden by DroppingDispatcher, or read by it.
            Inside(
                "celery.events.dispatcher:EventDispatcher.send",
                "self type blind utcoffset retry retry_policy Event fields",
                "_publish",
            ),
            Inside(
                "celery.events.dispatcher:EventDispatcher._publish",
                "self event producer routing_key retry retry_policy utcoffset",
                "buffer_while_offline _outbound_buffer",
            ),
        ),
    ),
    ReadLibrary(
        "kombu",
        "5.7.0",
        (
            Inside("kombu.asynchronous.hub:Hub.add_reader", "self fds callback args"),
            Inside("kombu.asynchronous.hub:Hub.call_soon", "self callback args"),
            Inside(
                "kombu.asynchronous.hub:Hub.create_loop",
                "self generator sleep min next Empty StopIteration KeyError READ WRITE ERR",
                "on_tick",
            ),
        ),
    ),
    ReadLibrary(
        "amqp",
        "5.4.2",
        (
            # `_quick_recv` is replaced by `read_in_bursts`, on one connection.
            Inside("amqp.transport:TCPTransport._read", "self n initial _errnos", "_quick_recv"),
            Inside("amqp.transport:SSLTransport._read", "self n initial _errnos", "_quick_recv"),
            Inside("amqp.transport:TCPTransport.read_frame", "self unpack", "_read"),
            Inside("amqp.transport:TCPTransport.having_timeout", "self timeout"),
            Inside("amqp.connection:Connection.blocking_read", "self timeout", "read_frame on_inbound_frame"),
        ),
    ),
)


def check(libraries: tuple[ReadLibrary, ...] = LIBRARIES) -> None:
    """Compare what is installed with what was read; LibraryChangedError names each difference."""
    faults = [fault for library in libraries for fault in _faults(library)]
    if faults:
        raise LibraryChangedError(
            f"{'; '.join(faults)}. Read the library's source again, then mend {__name__} and its users."
        )


def _faults(library: ReadLibrary) -> Iterator[str]:
    installed = metadata.version(library.name)
    if _series(installed) != _series(library.version):
        yield f"{library.name} {installed} is installed, and {library.version} was read"
    for inside in library.insides:
        if fault := _fault(inside):
            yield f"{library.name} {installed}: {inside.path} {fault}"


def _series(version: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", version)[:2])


def _fault(inside: Inside) -> str:
    module, _, name = inside.path.partition(":")
    try:
        function: Callable[..., Any] = attrgetter(name)(import_module(module))
        parameters, code = " ".join(signature(function).parameters), unwrap(function).__code__
    except (ImportError, AttributeError, ValueError, TypeError):
        return "is gone, or is no Python function any more"
    if parameters != inside.parameters:
        return f"takes ({parameters}) and took ({inside.parameters})"
    missing = sorted({*inside.uses.split()} - {*code.co_names})
    return f"no longer uses {', '.join(missing)}" if missing else ""


def apply() -> None:
    """Patch Celery in this process: a prefetch is each consumer's, so no model's backlog starves another."""
    # Celery looks the step up by its name, so its method is replaced where it stands.
    Tasks.qos_global = lambda _step, _consumer: False


def read_in_bursts(connection: Any, hub: Any) -> ReadAhead | None:
    """Read py-amqp's `connection` in bursts from now on; None where it is neither plain TCP nor TLS."""
    transport = connection.transport
    if not isinstance(transport, TCPTransport | SSLTransport):
        return None
    ahead = ReadAhead(connection, transport._quick_recv)  # noqa: SLF001  # compared by `check`
    transport._quick_recv = ahead.recv  # noqa: SLF001
    hub.add_reader(transport.sock, ahead.read)
    hub.on_tick.add(ahead.tick)
    hub.call_soon(ahead.read)  # what OpenSSL decrypted so far, of which the socket says nothing
    return ahead

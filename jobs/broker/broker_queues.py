"""Declares the topology at the broker, compares what is there with it, and counts what waits."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import kombu
from amqp.exceptions import NotFound, PreconditionFailed
from django.conf import settings

from jobs.broker.connection import broker_errors
from jobs.broker.topology import (
    INFER,
    INFER_DEAD,
    ExchangeSpec,
    QueueSpec,
    dead_queue_name,
    queue_name,
    queue_specs,
    task_queue_spec,
)
from jobs.core.errors import TopologyMismatchError


@dataclass(frozen=True)
class QueueCounts:
    """What the broker holds of one queue: messages ready (not those with a consumer) and consumers."""

    ready: int
    consumers: int


def exchange_entity(spec: ExchangeSpec) -> kombu.Exchange:
    """Return kombu's exchange, not bound to a channel."""
    return kombu.Exchange(spec.name, type=spec.kind, durable=spec.durable, delivery_mode="persistent")


def queue_entity(spec: QueueSpec) -> kombu.Queue:
    """Return kombu's queue, not bound to a channel; its declare also declares the exchange."""
    return kombu.Queue(
        spec.name,
        exchange=exchange_entity(spec.exchange),
        routing_key=spec.routing_key,
        queue_arguments=dict(spec.arguments),
        durable=True,
    )


def model_queue(queue: str, queue_type: str = "") -> kombu.Queue:
    """Return a model's queue, or that of its slow lane, as Celery consumes it, as `declare` makes it."""
    return queue_entity(_specs(queue, queue_type)[0])


def task_queue(queue: QueueSpec) -> kombu.Queue:
    """Return a queue of ordinary tasks, of the type in the settings, as every process declares it."""
    return queue_entity(task_queue_spec(queue, settings.INFERENCE.queue_type))


def declare(connection: kombu.Connection, queues: Iterable[str], queue_type: str = "") -> None:
    """Declare `queues` and the exchanges, idempotently; TopologyMismatchError where one differs.

    A queue is a model's, or that of its slow lane; the model's dead-letter queue comes with it. To declare is
    how AMQP compares: what is there must be equal, what is missing is made. The queue type is that of the
    settings where none is given.
    """
    for exchange in (INFER, INFER_DEAD):
        _declare(connection, exchange)
    for name in queues:
        for queue in reversed(_specs(name, queue_type)):
            _declare(connection, queue)


def _specs(queue: str, queue_type: str) -> tuple[QueueSpec, QueueSpec]:
    return queue_specs(queue, queue_type or settings.INFERENCE.queue_type)


def _declare(connection: kombu.Connection, spec: ExchangeSpec | QueueSpec) -> None:
    entity = queue_entity(spec) if isinstance(spec, QueueSpec) else exchange_entity(spec)
    try:
        # A refused declaration closes its channel, so each has one of its own.
        with broker_errors(PreconditionFailed), connection.channel() as channel:
            entity.bind(channel).declare()
    except PreconditionFailed as error:
        kind = "queue" if isinstance(spec, QueueSpec) else "exchange"
        ours = dict(spec.arguments) if isinstance(spec, QueueSpec) else "a durable direct exchange"
        raise TopologyMismatchError(
            f"The {kind} {spec.name!r} exists with other arguments than this project declares ({ours}). "
            f"The broker says: {error.reply_text}. Delete it once it is empty, or change the setting."
        ) from error


def counts(connection: kombu.Connection, queue: str) -> QueueCounts | None:
    """Return what waits in a queue and how many consume it; None where there is no such queue."""
    return _counts(connection, queue_name(queue))


def dead_counts(connection: kombu.Connection, model: str) -> QueueCounts | None:
    """Return what waits in the model's dead-letter queue; None where there is no such queue."""
    return _counts(connection, dead_queue_name(model))


def all_dead_counts(connection: kombu.Connection, models: Iterable[str]) -> dict[str, QueueCounts | None]:
    """Return the same for several models, over one channel as long as none is missing."""
    counted = dict[str, QueueCounts | None]()
    left = list(models)
    while left:
        with suppress(NotFound), broker_errors(NotFound), connection.channel() as channel:
            while left:
                model = left.pop(0)
                counted[model] = None  # where there is none, the broker closes the channel
                counted[model] = _declared(channel, dead_queue_name(model))
    return counted


def _counts(connection: kombu.Connection, queue: str) -> QueueCounts | None:
    try:
        with broker_errors(NotFound), connection.channel() as channel:
            return _declared(channel, queue)
    except NotFound:
        return None


def _declared(channel: Any, queue: str) -> QueueCounts:
    declared = channel.queue_declare(queue=queue, passive=True)
    return QueueCounts(ready=declared.message_count, consumers=declared.consumer_count)

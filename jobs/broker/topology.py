"""The broker's exchanges and queues, declared once, as data; no queue name is spelled anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import kombu
from amqp.exceptions import NotFound, PreconditionFailed
from django.conf import settings

from jobs.broker.connection import broker_errors
from jobs.core.errors import TopologyMismatchError
from jobs.core.priority import MAX_BROKER_PRIORITY

EXCHANGE = "infer"
DEAD_EXCHANGE = "infer.dlx"


@dataclass(frozen=True)
class ExchangeSpec:
    """A durable direct exchange."""

    name: str

    def entity(self) -> kombu.Exchange:
        """Return kombu's exchange, not bound to a channel."""
        return kombu.Exchange(self.name, type="direct", durable=True, delivery_mode="persistent")


@dataclass(frozen=True)
class QueueSpec:
    """A durable queue, the exchange and routing key it is bound by, and its arguments."""

    name: str
    exchange: ExchangeSpec
    routing_key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def entity(self) -> kombu.Queue:
        """Return kombu's queue, not bound to a channel; its declare also declares the exchange."""
        return kombu.Queue(
            self.name,
            exchange=self.exchange.entity(),
            routing_key=self.routing_key,
            queue_arguments=dict(self.arguments),
            durable=True,
        )


@dataclass(frozen=True)
class QueueCounts:
    """What the broker says of one queue: messages ready (not those with a consumer) and consumers."""

    ready: int
    consumers: int


INFER = ExchangeSpec(EXCHANGE)
INFER_DEAD = ExchangeSpec(DEAD_EXCHANGE)


def queue_name(model: str) -> str:
    """Return the queue that the model's jobs wait in."""
    return f"{EXCHANGE}.{model}"


def dead_queue_name(model: str) -> str:
    """Return the queue that the model's dead letters and malformed messages land in."""
    return f"{queue_name(model)}.dead"


def queue_specs(model: str, queue_type: str = "") -> tuple[QueueSpec, QueueSpec]:
    """Return the model's queue and its dead queue; the settings' queue type where none is named."""
    kind = _kind_arguments(queue_type or settings.INFERENCE.queue_type)
    dead = dead_queue_name(model)
    letters = {"x-dead-letter-exchange": DEAD_EXCHANGE, "x-dead-letter-routing-key": dead}
    # RabbitMQ 3.10 refuses x-max-priority on a quorum queue; later ones need none.
    levels = {} if kind else {"x-max-priority": MAX_BROKER_PRIORITY}
    live = QueueSpec(queue_name(model), INFER, model, {**kind, **levels, **letters})
    return live, QueueSpec(dead, INFER_DEAD, dead, kind)


def _kind_arguments(queue_type: str) -> dict[str, str]:
    return {} if queue_type == "classic" else {"x-queue-type": queue_type}


def kombu_queue(model: str, queue_type: str = "") -> kombu.Queue:
    """Return the model's queue as Celery consumes it, with the very arguments `declare` uses."""
    return queue_specs(model, queue_type)[0].entity()


def declare(connection: kombu.Connection, models: Iterable[str], queue_type: str = "") -> None:
    """Declare every exchange and queue of `models`, idempotently; TopologyMismatchError where one differs."""
    for exchange in (INFER, INFER_DEAD):
        _declare(connection, exchange)
    for model in models:
        for queue in reversed(queue_specs(model, queue_type)):
            _declare(connection, queue)


# To declare is how AMQP compares: what is there must be equal, what is missing is made.
check = declare


def _declare(connection: kombu.Connection, spec: ExchangeSpec | QueueSpec) -> None:
    try:
        # A refused declaration closes its channel, so each has one of its own.
        with broker_errors(PreconditionFailed), connection.channel() as channel:
            spec.entity().bind(channel).declare()
    except PreconditionFailed as error:
        kind = "queue" if isinstance(spec, QueueSpec) else "exchange"
        wanted = dict(spec.arguments) if isinstance(spec, QueueSpec) else "a durable direct exchange"
        raise TopologyMismatchError(
            f"The {kind} {spec.name!r} exists with other arguments than this project declares ({wanted}). "
            f"The broker says: {error.reply_text}. Delete it once it is empty, or change the setting."
        ) from error


def counts(connection: kombu.Connection, model: str) -> QueueCounts | None:
    """Return what waits in the model's queue and who consumes it; None where there is no such queue."""
    return _counts(connection, queue_name(model))


def dead_counts(connection: kombu.Connection, model: str) -> QueueCounts | None:
    """Return what waits in the model's dead-letter queue; None where there is no such queue."""
    return _counts(connection, dead_queue_name(model))


def _counts(connection: kombu.Connection, queue: str) -> QueueCounts | None:
    try:
        with broker_errors(NotFound), connection.channel() as channel:
            told = channel.queue_declare(queue=queue, passive=True)
    except NotFound:
        return None
    return QueueCounts(ready=told.message_count, consumers=told.consumer_count)

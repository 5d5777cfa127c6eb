"""Walks a dead-letter queue: AMQP removes no message from its middle, so all are held meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import kombu

from jobs.broker import broker_queues, topology
from jobs.broker.connection import broker_errors

CHUNK_MESSAGES = 500


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message in the queue, held unacknowledged."""

    tag: int
    body: bytes | str


Judge = Callable[[Sequence[QueuedMessage]], Sequence[QueuedMessage]]


def walk(connection: kombu.Connection, model: str, *, judge: Judge, most: int) -> int:
    """Show up to `most` messages to `judge`, which returns those to drop; return how many were seen.

    The others stay in their places: they are held unacknowledged, and the broker takes them back when the
    channel closes, after the walk or at an error.
    """
    counts = broker_queues.dead_counts(connection, model)
    limit = 0 if counts is None else min(counts.ready, most)
    seen = 0
    with broker_errors(), connection.channel() as channel:
        while seen < limit and (chunk := _get(channel, model, min(limit - seen, CHUNK_MESSAGES))):
            for message in judge(chunk):
                channel.basic_ack(message.tag)
            seen += len(chunk)
    return seen


def _get(channel: Any, model: str, most: int) -> list[QueuedMessage]:
    queue = topology.dead_queue_name(model)
    messages: list[QueuedMessage] = []
    while len(messages) < most and (message := channel.basic_get(queue)) is not None:
        messages.append(QueuedMessage(message.delivery_tag, message.body))
    return messages

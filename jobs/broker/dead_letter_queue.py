"""Walks a dead-letter queue: AMQP takes no message out of a queue's middle, so all are held meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import kombu

from jobs.broker import broker_queues, topology
from jobs.broker.connection import broker_errors

CHUNK_MESSAGES = 500


@dataclass(frozen=True, slots=True)
class Found:
    """A message that lies in the queue."""

    tag: int
    body: bytes | str


Judge = Callable[[Sequence[Found]], Sequence[Found]]


def walk(connection: kombu.Connection, model: str, *, judge: Judge, most: int) -> int:
    """Show up to `most` messages to `judge`, which returns those to drop; return how many were seen.

    The others stay where they were: they are held unacknowledged, and closing the channel gives them back,
    as does whatever breaks the walk off.
    """
    counts = broker_queues.dead_counts(connection, model)
    left = 0 if counts is None else min(counts.ready, most)
    seen = 0
    with broker_errors(), connection.channel() as channel:
        while left > 0 and (found := _get(channel, model, min(left, CHUNK_MESSAGES))):
            for message in judge(found):
                channel.basic_ack(message.tag)
            seen, left = seen + len(found), left - len(found)
    return seen


def _get(channel: Any, model: str, most: int) -> list[Found]:
    queue = topology.dead_queue_name(model)
    found: list[Found] = []
    while len(found) < most and (message := channel.basic_get(queue)) is not None:
        found.append(Found(message.delivery_tag, message.body))
    return found

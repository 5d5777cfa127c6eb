"""Walks a dead-letter queue: AMQP cannot take a message out of the middle, so the walk holds all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import kombu

from jobs.broker import broker_queues, topology
from jobs.broker.connection import broker_errors

CHUNK_MESSAGES = 500


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """A message of the queue, held unacknowledged."""

    tag: int
    body: bytes | str
    since: datetime | None = None  # when it came into the queue, as far as it says so


Judge = Callable[[Sequence[HeldMessage]], Sequence[HeldMessage]]


def walk(connection: kombu.Connection, model: str, *, judge: Judge, most: int) -> int:
    """Show up to `most` messages to `judge`, which returns those to drop; return how many were seen.

    The others stay: they are held unacknowledged, and closing the channel gives them back, also after an
    error.
    """
    counts = broker_queues.dead_counts(connection, model)
    remaining = 0 if counts is None else min(counts.ready, most)
    seen = 0
    with broker_errors(), connection.channel() as channel:
        while remaining > 0 and (chunk := _get(channel, model, min(remaining, CHUNK_MESSAGES))):
            for message in judge(chunk):
                channel.basic_ack(message.tag)
            seen, remaining = seen + len(chunk), remaining - len(chunk)
    return seen


def _get(channel: Any, model: str, most: int) -> list[HeldMessage]:
    queue = topology.dead_queue_name(model)
    chunk: list[HeldMessage] = []
    while len(chunk) < most and (message := channel.basic_get(queue)) is not None:
        chunk.append(HeldMessage(message.delivery_tag, message.body, _since(message)))
    return chunk


def _since(message: Any) -> datetime | None:
    """Return when the broker dead-lettered a message, or when it was published."""
    deaths = (message.properties.get("application_headers") or {}).get("x-death") or [{}]
    since = deaths[0].get("time") if isinstance(deaths[0], dict) else None
    if isinstance(since, datetime):
        return since.replace(tzinfo=UTC)  # the library's times are naive, and UTC
    sent_s = message.properties.get("timestamp")
    return datetime.fromtimestamp(sent_s, UTC) if isinstance(sent_s, int) else None

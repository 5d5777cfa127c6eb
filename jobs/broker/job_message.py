"""The bytes of a job message: a Celery task, protocol 2, whose arguments are a bundle of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from amqp.basic_message import Message

from jobs.broker.topology import INFER
from jobs.core.messages.bundle import bundle
from jobs.core.messages.envelope import TASK_NAME, Envelope
from jobs.core.priority import broker_priority

PERSISTENT = 2
ORIGIN = "relay"
_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
# The headers that Celery needs for protocol 2, and no others: the worker decodes each one in Python.
_SAME_HEADERS: dict[str, Any] = {"lang": "py", "task": TASK_NAME, "origin": ORIGIN}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and where it goes; within one publish every `message.message_id` is different."""

    exchange: str
    routing_key: str
    message: Message


def outgoing(
    model: str, envelopes: Sequence[Envelope], *, fast: bool = False, traceparent: str | None = None
) -> Outgoing:
    """Return the message that brings `envelopes` to the model's queue; `fast` puts it first in its level.

    `traceparent` is the span that publishes it, where it holds a traced job.
    """
    return Outgoing(INFER.name, model, job_message(*envelopes, fast=fast, traceparent=traceparent))


def job_message(*envelopes: Envelope, fast: bool = False, traceparent: str | None = None) -> Message:
    """Return a persistent AMQP message that Celery reads as a task with the first job's id."""
    first = envelopes[0]
    job = str(first.job)
    traced = {"traceparent": traceparent} if traceparent else {}
    return Message(
        _encode([[], bundle(envelopes), _EMBED]),
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=PERSISTENT,
        priority=broker_priority(first.priority, fast=fast),
        correlation_id=job,
        message_id=f"{job}:{first.epoch}",
        application_headers={**_SAME_HEADERS, "id": job, "root_id": job, **traced},
    )

"""One job's message as bytes: a Celery task, protocol 2, whose arguments are an envelope of ids."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from amqp.basic_message import Message

from jobs.amqp.topology import EXCHANGE
from jobs.core.envelope import TASK_NAME, Envelope
from jobs.core.priority import broker_level

PERSISTENT = 2
ORIGIN = "relay"
_EMBED = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'
_SAME_HEADERS: dict[str, Any] = {
    "lang": "py",
    "task": TASK_NAME,
    "parent_id": None,
    "group": None,
    "argsrepr": "()",
    "retries": 0,
    "timelimit": [None, None],
    "eta": None,
    "expires": None,
    "origin": ORIGIN,
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and where it goes; `message.message_id` is unlike that of any other in one publish."""

    exchange: str
    routing_key: str
    message: Message


def outgoing(model: str, envelope: Envelope) -> Outgoing:
    """Return the message that brings `envelope` to the model's queue."""
    return Outgoing(EXCHANGE, model, job_message(envelope))


def job_message(envelope: Envelope) -> Message:
    """Return a persistent AMQP message that Celery reads as the task with the job's id."""
    job = str(envelope.job)
    return Message(
        f"[[],{json.dumps(envelope.to_kwargs(), separators=(',', ':'))},{_EMBED}]",
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=PERSISTENT,
        priority=broker_level(envelope.priority),
        correlation_id=job,
        message_id=f"{job}:{envelope.epoch}",
        application_headers=_headers(job, envelope.epoch),
    )


def _headers(job: str, epoch: int) -> dict[str, Any]:
    return {**_SAME_HEADERS, "id": job, "root_id": job, "kwargsrepr": f"{{'job': '{job}', 'epoch': {epoch}}}"}

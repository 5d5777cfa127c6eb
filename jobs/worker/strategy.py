"""The Strategy: Celery hands each delivery of `jobs.infer` here, on the connection's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from kombu import Message

from jobs.core.envelope import Envelope
from jobs.core.errors import MalformedEnvelopeError
from jobs.worker import host
from jobs.worker.delivery import Delivery

_decode = msgspec.json.Decoder().decode


def batching(task: Any, app: Any, consumer: Any) -> Callable[..., None]:
    """Return the handler of one connection's deliveries; it runs again after every reconnect.

    What an earlier connection delivered and no claim took is dropped here: its delivery tags are void
    and the broker delivers it again.
    """
    worker = host.current()
    if worker is None:
        return _no_batching_here
    generation = worker.reporter.attach(consumer)
    worker.reporter.forget(worker.pipeline.buffer.discard(lambda d: d.generation != generation))

    def handle(message: Message, *_: Any) -> None:
        delivery = Delivery(message, envelope_of(message), task=task, generation=generation)
        worker.reporter.received(delivery)
        worker.pipeline.buffer.add(delivery)

    return handle


def envelope_of(message: Message) -> Envelope:
    """Return the envelope that a message carries; MalformedEnvelopeError for anything else."""
    if message.content_type != "application/json":
        raise MalformedEnvelopeError(f"the message's content type is {message.content_type!r}")
    if message.headers.get("eta") or message.headers.get("expires"):
        raise MalformedEnvelopeError("the message has an eta or expires header; jobs wait in Postgres")
    envelope = Envelope.from_kwargs(_kwargs(message))
    if message.headers.get("id") != str(envelope.job):
        raise MalformedEnvelopeError("the message's task id is not its job's id")
    return envelope


def _kwargs(message: Message) -> object:
    try:
        body = _decode(message.body)
    except (msgspec.DecodeError, TypeError, RecursionError) as error:
        raise MalformedEnvelopeError(f"the message's body is not JSON: {error}") from None
    if not isinstance(body, list) or len(body) != 3:  # noqa: PLR2004  # args, kwargs, embed: task protocol 2
        raise MalformedEnvelopeError("the message's body is not that of a Celery task")
    return body[1]


def _no_batching_here(message: Message, *_: Any) -> None:
    raise MalformedEnvelopeError("this worker runs no models; start one with `manage.py gpu_worker`")

"""The Strategy: Celery hands each delivery of `jobs.infer` here, on the connection's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kombu import Message

from jobs import metrics
from jobs.broker.topology import is_slow_queue
from jobs.core.errors import MalformedEnvelopeError
from jobs.core.messages.bundle import read, read_newer
from jobs.core.messages.envelope import Envelope
from jobs.worker import process
from jobs.worker.message_delivery import MessageDelivery, Parcel


def batching(task: Any, app: Any, consumer: Any) -> Callable[..., None]:
    """Return the handler of one connection's deliveries; Celery calls this again after every reconnect.

    Deliveries of an earlier connection that no claim took are dropped here: their tags are void, and the
    broker delivers them again.
    """
    worker = process.current()
    if worker is None:
        return _no_batching_here
    generation = worker.reporter.attach(consumer)
    worker.reporter.forget(worker.pipeline.buffer.discard(lambda d: d.generation != generation))

    def handle(message: Message, *_: Any) -> None:
        envelopes = envelopes_of(message)
        if not envelopes:  # of a later version, and nothing in it can be read: its jobs become due again
            message.ack()
            return
        slow = is_slow_queue(message.delivery_info.get("routing_key"))
        parcel = Parcel(message, len(envelopes), generation, slow=slow)
        deliveries = [MessageDelivery(parcel, envelope, task=task) for envelope in envelopes]
        worker.reporter.received(parcel, deliveries)
        worker.pipeline.buffer.add(deliveries)

    return handle


def envelopes_of(message: Message) -> list[Envelope]:
    """Return the envelopes that a message carries; MalformedEnvelopeError for anything else.

    Those of a later version's message have the version `NEWER`, and may be none.
    """
    if message.content_type != "application/json":
        raise MalformedEnvelopeError(f"the message's content type is {message.content_type!r}")
    if message.headers.get("eta") or message.headers.get("expires"):
        raise MalformedEnvelopeError("the message has an eta or expires header; jobs wait in Postgres")
    try:
        envelopes = read(message.body)
    except MalformedEnvelopeError:
        newer = read_newer(message.body, str(message.properties.get("message_id")))
        if newer is None:
            raise
        metrics.MESSAGES_NEWER.inc()
        return newer
    if message.headers.get("id") != str(envelopes[0].job):
        raise MalformedEnvelopeError("the message's task id is not its first job's id")
    return envelopes


def _no_batching_here(message: Message, *_: Any) -> None:
    raise MalformedEnvelopeError("this worker runs no models; start one with `manage.py gpu_worker`")

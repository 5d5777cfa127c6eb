"""A dead letter as a message in its model's dead-letter queue; no Celery task, so that no worker runs it."""

from __future__ import annotations

from amqp.basic_message import Message

from jobs.broker.job_message import PERSISTENT, Outgoing
from jobs.broker.topology import INFER_DEAD, dead_queue_name
from jobs.core.messages.dead_letter_pointer import DeadLetterMessage, body_of


def outgoing_dead_letter(model: str, dead_letter: DeadLetterMessage) -> Outgoing:
    """Return the message for the model's dead-letter queue, with the reason in its headers."""
    message = Message(
        body_of(dead_letter),
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=PERSISTENT,
        message_id=f"{dead_letter.job}:{dead_letter.epoch}",
        application_headers={
            "kind": dead_letter.kind,
            "code": dead_letter.code,
            "fingerprint": dead_letter.fingerprint,
        },
    )
    return Outgoing(INFER_DEAD.name, dead_queue_name(model), message)

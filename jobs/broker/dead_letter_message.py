"""A dead letter as a message in its model's dead-letter queue: no Celery task, so no worker runs it."""

from __future__ import annotations

from amqp.basic_message import Message

from jobs.broker.job_message import PERSISTENT, Outgoing
from jobs.broker.topology import INFER_DEAD, dead_queue_name
from jobs.core.messages.dead_letter_pointer import DeadLetterMessage, body_of


def outgoing_letter(model: str, letter: DeadLetterMessage) -> Outgoing:
    """Return the message that brings the letter to the dead-letter queue, with the reason in its headers."""
    message = Message(
        body_of(letter),
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=PERSISTENT,
        message_id=f"{letter.job}:{letter.epoch}",
        application_headers={"kind": letter.kind, "code": letter.code, "fingerprint": letter.fingerprint},
    )
    return Outgoing(INFER_DEAD.name, dead_queue_name(model), message)

"""The message of a dead job: ids only. Its body points at the job and the epoch in which it died."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec


class DeadLetterMessage(msgspec.Struct, frozen=True):
    """A dead letter to publish, with the reason for the message's headers."""

    job: UUID
    epoch: int
    kind: str
    code: str
    fingerprint: str


class DeadLetterPointer(msgspec.Struct, frozen=True):
    """The body of a dead letter; unknown keys are ignored."""

    version: Literal[1] = msgspec.field(name="letter")
    job: UUID
    epoch: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


_decode = msgspec.json.Decoder(DeadLetterPointer).decode
_encode = msgspec.json.Encoder().encode


def body_of(dead_letter: DeadLetterMessage) -> bytes:
    """Return the body of a dead letter's message."""
    return _encode(DeadLetterPointer(1, dead_letter.job, dead_letter.epoch))


def read_dead_letter(body: bytes | str) -> DeadLetterPointer | None:
    """Return the pointer in a dead letter's body; None for the body of any other message."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, TypeError, RecursionError, UnicodeDecodeError):
        return None

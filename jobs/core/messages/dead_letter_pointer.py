"""A dead job's letter: ids only; its body points at the job and at the epoch in which it died."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec


class DeadLetterMessage(msgspec.Struct, frozen=True):
    """A letter on its way out, with the reason that stands in the message's headers."""

    job: UUID
    epoch: int
    kind: str
    code: str
    fingerprint: str


class DeadLetterPointer(msgspec.Struct, frozen=True):
    """A letter's body; unknown keys are ignored."""

    letter: Literal[1]
    job: UUID
    epoch: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


_decode = msgspec.json.Decoder(DeadLetterPointer).decode
_encode = msgspec.json.Encoder().encode


def body_of(letter: DeadLetterMessage) -> bytes:
    """Return the letter's body."""
    return _encode(DeadLetterPointer(1, letter.job, letter.epoch))


def read_letter(body: bytes | str) -> DeadLetterPointer | None:
    """Return what a letter's body points at; None for any other message's."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, TypeError, RecursionError, UnicodeDecodeError):
        return None

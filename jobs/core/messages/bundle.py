"""The message: a versioned bundle of envelopes of one model version and priority.

One job a message is the rule; under backlog several share one, for a message costs the worker more than a
job does. A bundle says nothing that its envelopes do not, and each job keeps its own row, state and epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from jobs.core.errors import MalformedEnvelopeError
from jobs.core.messages.envelope import Envelope

VERSION: Final = 2
MOST_JOBS = 256
_Whole = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class JobPointer(msgspec.Struct, frozen=True, array_like=True):
    """What a message says of one of its jobs, as an array; elements that a later version adds are ignored."""

    job: UUID
    epoch: _Whole
    size: _Whole = 0
    client: _Whole = 0
    parameters_digest: _Whole = 0
    deadline: float | None = None
    isolation_group: _Whole = 0

    @property
    def hints(self) -> tuple[int, int, int, float | None, int]:
        """Return what a batcher reads, in the order of an envelope's fields."""
        return self.size, self.client, self.parameters_digest, self.deadline, self.isolation_group


class Bundle(msgspec.Struct, frozen=True):
    """A message's keyword arguments; unknown keys are ignored."""

    v: Literal[2]
    version: _Whole
    priority: Annotated[int, msgspec.Meta(ge=0, le=9)]
    jobs: Annotated[list[JobPointer], msgspec.Meta(min_length=1, max_length=MOST_JOBS)]

    def envelopes(self) -> list[Envelope]:
        """Return an envelope a job, in order."""
        return [Envelope(p.job, p.epoch, self.version, self.priority, *p.hints) for p in self.jobs]


def bundle(envelopes: Sequence[Envelope]) -> Bundle:
    """Return the bundle of envelopes that share a version and a priority, one at the least."""
    first = envelopes[0]
    pointers = [
        JobPointer(e.job, e.epoch, e.size, e.client, e.parameters_digest, e.deadline, e.isolation_group)
        for e in envelopes
    ]
    return Bundle(VERSION, first.version, first.priority, pointers)


# Celery's task protocol 2: positional arguments, keyword arguments, what to do next. Strict: "3" is no 3.
_decode = msgspec.json.Decoder(tuple[Any, Bundle, Any]).decode


def read(body: bytes | str) -> list[Envelope]:
    """Return the envelopes of a message's body; MalformedEnvelopeError for anything else."""
    try:
        return _decode(body)[1].envelopes()
    except (msgspec.MsgspecError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedEnvelopeError(f"the message's body is not a bundle of jobs: {error}") from None

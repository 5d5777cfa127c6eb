"""A message is a versioned bundle of envelopes of one model version and priority.

A message usually holds one job; under backlog it holds several, because a message costs the worker more than
a job does. A bundle adds nothing to its envelopes, and each job keeps its own row, state and epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from jobs.core.errors import MalformedEnvelopeError
from jobs.core.messages.envelope import NEWER, Envelope

VERSION: Final = 2
MOST_JOBS = 256
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class JobPointer(msgspec.Struct, frozen=True, array_like=True):
    """One job of a message, encoded as an array; elements that a later version adds are ignored."""

    job: UUID
    epoch: _Count
    size: _Count = 0
    client: _Count = 0
    parameters_digest: _Count = 0
    deadline: float | None = None
    isolation_group: _Count = 0

    @property
    def hints(self) -> tuple[int, int, int, float | None, int]:
        """Return the hints for the batcher, in the order of an envelope's fields."""
        return self.size, self.client, self.parameters_digest, self.deadline, self.isolation_group


class Bundle(msgspec.Struct, frozen=True):
    """A message's keyword arguments; unknown keys are ignored."""

    v: Literal[2]
    version: _Count
    priority: Annotated[int, msgspec.Meta(ge=0, le=9)]
    jobs: Annotated[list[JobPointer], msgspec.Meta(min_length=1, max_length=MOST_JOBS)]

    def envelopes(self) -> list[Envelope]:
        """Return one envelope for each job, in order."""
        return [Envelope(p.job, p.epoch, self.version, self.priority, *p.hints) for p in self.jobs]


def bundle(envelopes: Sequence[Envelope]) -> Bundle:
    """Return the bundle of at least one envelope; all have the same version and priority."""
    first = envelopes[0]
    pointers = [
        JobPointer(e.job, e.epoch, e.size, e.client, e.parameters_digest, e.deadline, e.isolation_group)
        for e in envelopes
    ]
    return Bundle(VERSION, first.version, first.priority, pointers)


# Celery's task protocol 2: positional arguments, keyword arguments, further tasks. Strict: "3" is no number.
_decode = msgspec.json.Decoder(tuple[Any, Bundle, Any]).decode


def read(body: bytes | str) -> list[Envelope]:
    """Return the envelopes of a message's body; MalformedEnvelopeError for anything else."""
    try:
        return _decode(body)[1].envelopes()
    except (msgspec.MsgspecError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedEnvelopeError(f"the message's body is not a bundle of jobs: {error}") from None


class _NewerBundle(msgspec.Struct, frozen=True):
    """What is read of a later version's bundle; of its jobs perhaps nothing."""

    v: Annotated[int, msgspec.Meta(gt=VERSION)]
    jobs: Any = None


_decode_newer = msgspec.json.Decoder(tuple[Any, _NewerBundle, Any]).decode


def read_newer(body: bytes | str, name: str) -> list[Envelope] | None:
    """Return the jobs and epochs of a later version's message, as far as they can be read; None of any other.

    `name` is the message's id, `job:epoch` of its first job in every version. The jobs that nobody can read
    become due by themselves, when their message's time is over.
    """
    try:
        newer = _decode_newer(body)[1]
    except (msgspec.MsgspecError, TypeError, RecursionError, UnicodeDecodeError):
        return None
    try:
        pointers = msgspec.convert(newer.jobs, list[JobPointer])
    except msgspec.ValidationError:
        pointers = []
    return [Envelope(p.job, p.epoch, NEWER, 0) for p in pointers or _first(name)]


def _first(name: str) -> list[JobPointer]:
    job, _, epoch = name.partition(":")
    try:
        return [JobPointer(UUID(job), int(epoch))]
    except ValueError:
        return []

"""What the rows say of the jobs that messages point at: whether a claim may take them, and as what.

A message is written by whoever may publish. Of what it says only ids and epochs lead to a row; the row then
says which version runs the job, from which queue, for whom, and with which others it may share a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.messages.envelope import NEWER, Envelope
from jobs.core.states import State, Verb, sources
from jobs.db.statement import Statement, run


class _Row(NamedTuple):
    id: UUID
    state: str
    epoch: int
    late: bool
    version: int
    model: str
    client: int
    variant: int | None
    apart: int | None


_STANDINGS = Statement(
    """
SELECT job.id, job.state, job.epoch, COALESCE(job.deadline <= now(), false) AS late,
  job.version_id AS version, job.queue AS model, job.client_id AS client, outbox.variant, outbox.apart
FROM jobs_job job LEFT JOIN jobs_outbox outbox ON outbox.job_id = job.id AND outbox.epoch = job.epoch
WHERE job.id = ANY(%(jobs)s::uuid[])
""",
    _Row,
)


class Pointer(NamedTuple):
    """A message's words about one job, and the model whose queue brought it."""

    model: str
    envelope: Envelope


class Standing(NamedTuple):
    """How a job stands that a message points at.

    `claimable` is true if only a lock can keep a claim from it, and `untrue` names what the message says
    otherwise than the rows; where it does, the message was not written by the relay.
    """

    state: State
    claimable: bool
    untrue: tuple[str, ...] = ()


def standings(connection: sa.Connection, *, pointers: Sequence[Pointer]) -> list[Standing | None]:
    """Return how the jobs of the pointers stand, in the same order; None for one that has no row."""
    jobs = list({pointer.envelope.job for pointer in pointers})
    rows = {row.id: row for row in run(connection, _STANDINGS, {"jobs": jobs})}
    return [_standing(rows.get(pointer.envelope.job), pointer) for pointer in pointers]


def _standing(row: _Row | None, pointer: Pointer) -> Standing | None:
    if row is None:
        return None
    due = row.epoch == pointer.envelope.epoch and row.state in sources(Verb.CLAIM) and not row.late
    untrue = tuple(_untrue(row, pointer)) if due else ()
    return Standing(State(row.state), due and not untrue, untrue)


def _untrue(row: _Row, pointer: Pointer) -> Iterator[str]:
    envelope = pointer.envelope
    model = ("model", row.model, pointer.model)
    said: Iterable[tuple[str, object, object]] = (
        model,
        ("version", row.version, envelope.version),
        ("client", row.client, envelope.client),
        ("parameters_digest", row.variant, envelope.parameters_digest),
        ("isolation_group", row.apart, envelope.isolation_group),
    )
    readable = said if envelope.version != NEWER else [model]
    return (name for name, true, written in readable if true != written)

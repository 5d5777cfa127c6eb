"""Claim: one statement takes a batch of messages, locks their jobs in id order and returns the inputs.

A message counts only while its epoch is the job's and the job is queued or waiting within its deadline.
The Outbox row goes with the claim; the batch row comes with it, so that no job runs without a batch. A job
whose row another transaction has locked is left out, and `standings` says so: it must not be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.messages.envelope import Envelope
from jobs.core.payloads.keyring import PLAIN
from jobs.core.states import State, Verb, sources, target
from jobs.db.statement import Statement, run


@dataclass(frozen=True, slots=True)
class BatchRow:
    """The ledger row that a claim opens; `waited_s` is the oldest item's wait at the worker."""

    id: UUID
    worker: UUID
    version: int
    padded_size: int
    seal_reason: str
    waited_s: float
    isolation_group: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """One job that this claim made running, with its input's bytes.

    `left_s` is the seconds until its deadline at the time of the claim, None where it has none.
    """

    job: UUID
    epoch: int
    attempts: int
    max_attempts: int
    body: bytes
    parameters: bytes | None
    left_s: float | None = None
    encoding: str = PLAIN


_LEFT_S: LiteralString = "extract(epoch FROM job.deadline - now())::float8 AS left_s"

_CLAIM = Statement(
    f"""
WITH message AS (
  SELECT * FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[]) AS message(id, epoch)
), locked AS (
  SELECT job.id FROM jobs_job job JOIN message USING (id, epoch)
  WHERE job.state = ANY(%(sources)s::text[]) AND (job.deadline IS NULL OR job.deadline > now())
  ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
), claimed AS (
  UPDATE jobs_job job
  SET state = %(target)s, epoch = job.epoch + 1, attempts = job.attempts + 1,
      batch_id = %(batch)s, started_at = now()
  FROM locked WHERE job.id = locked.id
  RETURNING job.id, job.epoch, job.attempts, job.max_attempts, {_LEFT_S}
), taken AS (
  DELETE FROM jobs_outbox WHERE job_id = ANY(ARRAY(SELECT id FROM claimed))
), opened AS (
  INSERT INTO jobs_batch (id, worker_id, version_id, members, size, padded_size, seal_reason, waited_s,
                          apart, succeeded, failed, released, fenced)
  SELECT %(batch)s, %(worker)s, %(version)s, array_agg(id), count(*), %(padded_size)s, %(seal_reason)s,
         %(waited_s)s, %(apart)s, 0, 0, 0, 0
  FROM claimed HAVING count(*) > 0
)
SELECT claimed.id AS job, epoch, attempts, max_attempts, input.body, input.parameters, left_s, input.encoding
FROM claimed CROSS JOIN LATERAL (
  SELECT body, parameters, encoding FROM jobs_jobinput
  WHERE job_id = claimed.id AND job_id BETWEEN %(first)s AND %(last)s LIMIT 1
) AS input
""",  # noqa: S608  # built from a constant of this file
    Claimed,
)

_RECOVER = Statement(
    f"""
SELECT job.id AS job, job.epoch, job.attempts, job.max_attempts, input.body, input.parameters, {_LEFT_S},
  input.encoding
FROM jobs_job job JOIN jobs_jobinput input ON input.job_id = job.id
WHERE job.id = ANY(%(jobs)s::uuid[]) AND job.batch_id = %(batch)s AND job.state = %(target)s
""",  # noqa: S608
    Claimed,
)


_WITHHELD = Statement(
    """
WITH free AS (
  SELECT job_id FROM jobs_outbox WHERE job_id = ANY(%(jobs)s::uuid[]) FOR UPDATE SKIP LOCKED
)
SELECT job_id FROM jobs_outbox
WHERE job_id = ANY(%(jobs)s::uuid[]) AND NOT job_id = ANY(ARRAY(SELECT job_id FROM free))
""",
    UUID,
)


class _Standing(NamedTuple):
    id: UUID
    state: str
    epoch: int
    late: bool


_STANDINGS = Statement(
    """
SELECT id, state, epoch, COALESCE(deadline <= now(), false) AS late FROM jobs_job
WHERE id = ANY(%(jobs)s::uuid[])
""",
    _Standing,
)


class Standing(NamedTuple):
    """What became of a message that was not claimed; `claimable` where only a lock was in the way."""

    state: State
    claimable: bool


def claim(connection: sa.Connection, *, batch: BatchRow, envelopes: Sequence[Envelope]) -> list[Claimed]:
    """Make the jobs of `envelopes` running under `batch` and return those that were claimed, in any order."""
    epochs = {envelope.job: envelope.epoch for envelope in envelopes}
    return run(
        connection,
        _CLAIM,
        {
            "jobs": list(epochs),
            "first": min(epochs),
            "last": max(epochs),
            "epochs": list(epochs.values()),
            "sources": sources(Verb.CLAIM),
            "target": target(Verb.CLAIM),
            "batch": batch.id,
            "worker": batch.worker,
            "version": batch.version,
            "padded_size": batch.padded_size,
            "seal_reason": batch.seal_reason,
            "waited_s": batch.waited_s,
            "apart": batch.isolation_group,
        },
    )


def recover(connection: sa.Connection, *, batch: UUID, jobs: Sequence[UUID]) -> list[Claimed]:
    """Return what an earlier claim of `batch` made running, where its answer was lost with the connection."""
    parameters = {"jobs": list(jobs), "batch": batch, "target": target(Verb.CLAIM)}
    return run(connection, _RECOVER, parameters)


def withheld(connection: sa.Connection, *, jobs: Sequence[UUID]) -> set[UUID]:
    """Return those of `jobs` whose outbox rows another transaction has locked; lock the others'.

    A claim deletes these rows, and would wait for them. To look first costs a statement, so a claim does it
    only after it has waited in vain.
    """
    return set(run(connection, _WITHHELD, {"jobs": list(jobs)}))


def standings(connection: sa.Connection, *, epochs: Mapping[UUID, int]) -> dict[UUID, Standing]:
    """Return how those jobs stand that have a row; `epochs` are those of the messages."""
    return {
        row.id: Standing(
            State(row.state),
            row.epoch == epochs[row.id] and row.state in sources(Verb.CLAIM) and not row.late,
        )
        for row in run(connection, _STANDINGS, {"jobs": list(epochs)})
    }

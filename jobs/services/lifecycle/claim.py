"""Claim: one statement takes a batch of messages, locks their jobs in id order and returns the inputs.

A message counts only while its epoch is the job's and the job is queued or waiting within its deadline, and
only if it says of the job what the rows say: see `standings`. Whoever can publish can choose no version.
The commit is not waited for: the settle's is, and a durable settle implies its claim. Where the database
crashes between the two, the job is queued again, and a late verdict is refused: its batch is not the job's.
A worker that was ended claims nothing until its next heartbeat: the sweeper would take its batch at once.
The Outbox row goes with the claim; the batch row comes with it, so that no job runs without a batch. A job
whose row another transaction has locked is left out, and `standings` says so: it must not be forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.messages.envelope import Envelope
from jobs.core.payloads.keyring import PLAIN
from jobs.core.states import Verb, sources, target
from jobs.db.session_settings import COMMITS_LATER
from jobs.db.statement import Session, Statement, run


@dataclass(frozen=True, slots=True)
class BatchRow:
    """The ledger row that a claim opens.

    `waited_s` is the oldest item's wait at the worker; it was sealed at `sealed_at`, in monotonic seconds.
    """

    id: UUID
    worker: UUID
    version: int
    model: str
    padded_size: int
    seal_reason: str
    waited_s: float
    isolation_group: int = 0
    sealed_at: float | None = None
    slow: bool = False


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """One job that this claim made running, with its input's bytes.

    `left_s` is the seconds until its deadline at the time of the claim, None where it has none. `wrapped` and
    `answer` are the keys of a sealed job. `due_ago_s` and `published_ago_s` are the seconds since it was
    first due and last published, None where no relay has noted that, and `sealed_ago_s` those since its
    batch was sealed; all three count back from the same moment, that of the claim. `traceparent` is the
    span that made a traced job.
    """

    job: UUID
    epoch: int
    attempts: int
    max_attempts: int
    body: bytes
    parameters: bytes | None
    left_s: float | None = None
    encoding: str = PLAIN
    client: int = 0
    wrapped: bytes | None = None
    answer: bytes | None = None
    due_ago_s: float | None = None
    published_ago_s: float | None = None
    sealed_ago_s: float | None = None
    traceparent: str | None = None


# Of sealed jobs alone: no other has keys.
_KEYS: LiteralString = """
LEFT JOIN LATERAL (
  SELECT wrapped, answer FROM jobs_jobkey WHERE job_id = input.job_id AND input.encoding <> 'identity' LIMIT 1
) AS keys ON true
"""
_LEFT_S: LiteralString = "extract(epoch FROM job.deadline - now())::float8 AS left_s"

_CLAIM = Statement(
    f"""
WITH message AS (
  SELECT * FROM unnest(%(jobs)b::uuid[], %(epochs)b::int[], %(clients)b::int[], %(variants)b::int[],
                       %(buffered_s)b::float8[])
    AS message(id, epoch, client, variant, buffered_s)
), locked AS (
  SELECT job.id, message.buffered_s, outbox.due_ago_s, outbox.published_ago_s
  FROM jobs_job job JOIN message USING (id, epoch) CROSS JOIN LATERAL (
    SELECT variant, apart, date_part('epoch', now() - since) AS due_ago_s,
      date_part('epoch', now() - published_at) AS published_ago_s
    FROM jobs_outbox WHERE job_id = job.id AND epoch = job.epoch LIMIT 1
  ) AS outbox
  WHERE job.state = ANY(%(sources)b::text[]) AND (job.deadline IS NULL OR job.deadline > now())
    AND {COMMITS_LATER}
    AND NOT EXISTS (SELECT FROM jobs_worker WHERE id = %(worker)s AND ended_at IS NOT NULL)
    AND job.version_id = %(version)s AND job.queue = %(model)s AND job.client_id = message.client
    AND outbox.variant = message.variant AND outbox.apart = %(apart)s
  ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
), claimed AS (
  UPDATE jobs_job job
  SET state = %(target)s, epoch = job.epoch + 1, attempts = job.attempts + 1,
      batch_id = %(batch)s, started_at = now()
  FROM locked WHERE job.id = locked.id
  RETURNING job.id, job.epoch, job.attempts, job.max_attempts, {_LEFT_S}, job.client_id, locked.buffered_s,
    locked.due_ago_s, locked.published_ago_s
), taken AS (
  DELETE FROM jobs_outbox WHERE job_id = ANY(ARRAY(SELECT id FROM claimed))
), opened AS (
  INSERT INTO jobs_batch (id, worker_id, version_id, members, due_ago_s, published_ago_s, buffered_s, size,
                          padded_size, seal_reason, waited_s, sealed_ago_s, apart, slow,
                          succeeded, failed, released, fenced)
  SELECT %(batch)s, %(worker)s, %(version)s, array_agg(id), array_agg(due_ago_s), array_agg(published_ago_s),
         array_agg(buffered_s), count(*), %(padded_size)s, %(seal_reason)s, %(waited_s)s, %(sealed_ago_s)s,
         %(apart)s, %(slow)s, 0, 0, 0, 0
  FROM claimed HAVING count(*) > 0
)
SELECT claimed.id AS job, epoch, attempts, max_attempts, input.body, input.parameters, left_s, input.encoding,
  client_id AS client, keys.wrapped, keys.answer, due_ago_s, published_ago_s, input.traceparent,
  %(sealed_ago_s)s::float8 AS sealed_ago_s
FROM claimed CROSS JOIN LATERAL (
  SELECT job_id, body, parameters, encoding, traceparent FROM jobs_jobinput
  WHERE job_id = claimed.id AND job_id BETWEEN %(first)s AND %(last)s LIMIT 1
) AS input {_KEYS}
""",  # noqa: S608  # built from a constant of this file
    Claimed,
)

_RECOVER = Statement(
    f"""
SELECT job.id AS job, job.epoch, job.attempts, job.max_attempts, input.body, input.parameters, {_LEFT_S},
  input.encoding, job.client_id AS client, keys.wrapped, keys.answer,
  batch.due_ago_s[array_position(batch.members, job.id)] AS due_ago_s,
  batch.published_ago_s[array_position(batch.members, job.id)] AS published_ago_s, batch.sealed_ago_s,
  input.traceparent
FROM jobs_job job JOIN jobs_jobinput input ON input.job_id = job.id
JOIN jobs_batch batch ON batch.id = job.batch_id {_KEYS}
WHERE job.id = ANY(%(jobs)b::uuid[]) AND job.batch_id = %(batch)s AND job.state = %(target)s
""",  # noqa: S608
    Claimed,
)


_WITHHELD = Statement(
    """
WITH free AS (
  SELECT job_id FROM jobs_outbox WHERE job_id = ANY(%(jobs)b::uuid[]) FOR UPDATE SKIP LOCKED
)
SELECT job_id FROM jobs_outbox
WHERE job_id = ANY(%(jobs)b::uuid[]) AND NOT job_id = ANY(ARRAY(SELECT job_id FROM free))
""",
    UUID,
)


def claim(
    connection: Session,
    *,
    batch: BatchRow,
    envelopes: Sequence[Envelope],
    buffered_s: Sequence[float] | None = None,
) -> list[Claimed]:
    """Make the jobs of `envelopes` running under `batch` and return those that were claimed, in any order.

    `buffered_s` are the seconds that each waited at the worker; none where that is not known.
    """
    jobs = [envelope.job for envelope in envelopes]
    return run(
        connection,
        _CLAIM,
        {
            "jobs": jobs,
            "first": min(jobs),
            "last": max(jobs),
            "epochs": [envelope.epoch for envelope in envelopes],
            "clients": [envelope.client for envelope in envelopes],
            "variants": [envelope.parameters_digest for envelope in envelopes],
            "buffered_s": list(buffered_s or [0.0] * len(envelopes)),
            "model": batch.model,
            "sources": sources(Verb.CLAIM),
            "target": target(Verb.CLAIM),
            "batch": batch.id,
            "worker": batch.worker,
            "version": batch.version,
            "padded_size": batch.padded_size,
            "seal_reason": batch.seal_reason,
            "waited_s": batch.waited_s,
            "sealed_ago_s": None if batch.sealed_at is None else time.monotonic() - batch.sealed_at,
            "apart": batch.isolation_group,
            "slow": batch.slow,
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

"""What ended within a second, read from the ledger of batches alone: no job writes anything for it.

The batches that ended are found by their ids, which grow with time, and by the ids of those that were open at
the last look. Their arrays hold how long each job waited; only jobs of a batch in which something failed, and
a sample of all, are looked up by their keys.
"""

from __future__ import annotations

from typing import LiteralString, NamedTuple
from uuid import UUID

from jobs.core.operations.spread import FIRST_S, GROWTH, NEAR
from jobs.db.statement import Statement

SAMPLED = 200  # jobs a second that are looked up for their client and their size


class LedgerBatch(NamedTuple):
    """A batch that ended within the second, or with `is_open` one that had not; seconds are of its jobs."""

    id: UUID
    is_open: bool
    model: str
    worker: UUID
    seal_reason: str
    size: int
    succeeded: int
    failed: int
    padded_size: int | None
    claim_s: float | None
    lane_s: float | None
    run_s: float | None
    settle_s: float | None


class WaitBucket(NamedTuple):
    """How many jobs of a model that a worker ended were so long in a stage, or in `total`, by bucket."""

    model: str
    worker: UUID
    stage: str
    bucket: int
    jobs: int


class SampledJob(NamedTuple):
    """One of the jobs that ended: its model, client, size and seconds since its creation."""

    model: str
    client: int
    size: int
    total_s: float


class ModelDeaths(NamedTuple):
    """How many jobs of a model died in batches that ended."""

    model: str
    died: int


NOW = Statement("SELECT extract(epoch FROM clock_timestamp())::float8", float)
BATCHES = Statement(
    """
SELECT batch.id, finished_at IS NULL OR finished_at >= to_timestamp(%(until)s) AS is_open,
  model.name AS model, worker_id AS worker, seal_reason, size, succeeded, failed,
  CASE WHEN version.pads THEN padded_size END AS padded_size, claim_s, lane_s, ran_s AS run_s,
  GREATEST(extract(epoch FROM finished_at - claimed_at)::float8
    + sealed_ago_s - claim_s - lane_s - ran_s, 0) AS settle_s
FROM (
  SELECT * FROM jobs_batch WHERE id >= %(first)s
  UNION ALL SELECT * FROM jobs_batch WHERE id = ANY(%(open)s::uuid[]) AND id < %(first)s
) AS batch
JOIN models_registry_modelversion version ON version.id = batch.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
WHERE finished_at IS NULL OR finished_at >= to_timestamp(%(since)s)
""",
    LedgerBatch,
)
# A job's id carries its creation: the rows of jobs are not read.
_CREATED: LiteralString = """
('x' || replace(left(member.job::text, 13), '-', ''))::bit(48)::bigint / 1000.0::float8
"""
_MEMBERS: LiteralString = """
unnest(%(ids)s::uuid[], %(models)s::text[], %(mixed)s::boolean[]) AS ended(id, model, is_mixed)
JOIN jobs_batch batch ON batch.id = ended.id
"""
# Not EXISTS: Postgres would rather read all jobs once than look some up.
_SUCCEEDED: LiteralString = """
(NOT ended.is_mixed OR (
  SELECT batch_id = batch.id AND state = 'succeeded' FROM jobs_job WHERE id = member.job))
"""
_BUCKET: LiteralString = f"""
ceil(ln(GREATEST(seconds, {FIRST_S}::float8) / {FIRST_S}::float8) / ln({GROWTH}::float8)
  - {NEAR}::float8)::integer
"""
# The rule of `stages.waits`.
WAITS = Statement(
    f"""
SELECT model, worker, stage, {_BUCKET} AS bucket, count(*) AS jobs
FROM (
  SELECT ended.model, batch.worker_id AS worker,
    extract(epoch FROM finished_at)::float8 - {_CREATED} AS total_s,
    since_due.s AS since_due_s, buffer.s AS buffer_s,
    LEAST(GREATEST(COALESCE(member.published_ago_s - batch.sealed_ago_s, since_due.s) - buffer.s, 0),
      since_due.s - buffer.s) AS broker_s
  FROM {_MEMBERS}
  CROSS JOIN LATERAL unnest(batch.members, batch.due_ago_s, batch.published_ago_s, batch.buffered_s)
    AS member(job, due_ago_s, published_ago_s, buffered_s)
  CROSS JOIN LATERAL (SELECT GREATEST(member.due_ago_s - batch.sealed_ago_s, 0) AS s) AS since_due
  CROSS JOIN LATERAL (SELECT LEAST(GREATEST(member.buffered_s, 0), since_due.s) AS s) AS buffer
  WHERE {_SUCCEEDED}
) AS job CROSS JOIN LATERAL (
  VALUES ('total', total_s), ('outbox', since_due_s - buffer_s - broker_s), ('broker', broker_s),
    ('buffer', buffer_s)
) AS part(stage, seconds)
WHERE seconds IS NOT NULL GROUP BY model, worker, stage, {_BUCKET}
""",  # noqa: S608  # built from constants of this file
    WaitBucket,
)
SAMPLE = Statement(
    f"""
SELECT member.model, job.client_id::integer AS client, job.size, member.total_s
FROM (
  SELECT ended.model, batch.id AS batch, member.job, row_number() OVER () AS number,
    extract(epoch FROM finished_at)::float8 - {_CREATED} AS total_s
  FROM {_MEMBERS} CROSS JOIN LATERAL unnest(batch.members) AS member(job)
) AS member JOIN jobs_job job ON job.id = member.job
WHERE number %% %(every)s = 0 AND job.batch_id = member.batch AND job.state = 'succeeded'
""",  # noqa: S608
    SampledJob,
)
DEATHS = Statement(
    f"""
SELECT ended.model, count(*) AS died
FROM {_MEMBERS} CROSS JOIN LATERAL unnest(batch.members) AS member(job)
JOIN jobs_job job ON job.id = member.job
WHERE ended.is_mixed AND job.batch_id = batch.id AND job.state = 'dead' GROUP BY ended.model
""",  # noqa: S608
    ModelDeaths,
)

"""The statements that erase jobs which the transaction has locked: each table that holds content of a job.

A test compares the tables here with those of the database that have a job's id, so that none is forgotten.
"""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from jobs.db.statement import Statement
from jobs.payloads.sql import IS_POINTER, POINTER

_THESE: LiteralString = "job_id = ANY(%(jobs)s::uuid[])"
# What becomes of the rows of each table with a job's id. `deleted`: they go. `ids`: the table holds
# ids, counts and times only, and its own retention ends it.
TABLES = {
    "jobs_jobinput": "deleted",
    "jobs_jobresult": "deleted",
    "jobs_jobkey": "deleted",
    "jobs_deadletter": "deleted",
    "jobs_delivery": "deleted",
    "jobs_outbox": "deleted",
    "jobs_follower": "deleted",
    "jobs_cacheentry": "deleted",
    "jobs_subject": "deleted",
    "jobs_joblabel": "deleted",
    "jobs_route": "deleted",
    "jobs_feedback": "deleted",
    "jobs_step": "deleted",
    "jobs_shadowcopy": "deleted",
    "jobs_attemptmessage": "deleted",
    "jobs_event": "ids",
}


class LockedJob(NamedTuple):
    """A job that is about to be erased."""

    id: UUID
    state: str


class Erased(NamedTuple):
    """The rows that went, by their kind."""

    inputs: int
    results: int
    dead_letters: int
    webhooks: int
    endpoints: int
    cache_entries: int
    messages: int


# In id order, as all statements lock jobs.
LOCK = Statement(
    """
SELECT id, state FROM jobs_job
WHERE id = ANY(%(jobs)s::uuid[]) AND erased_at IS NULL ORDER BY id FOR UPDATE
""",
    LockedJob,
)

_POINTERS: LiteralString = " UNION ALL ".join(
    f"SELECT job_id, {result} AS is_result, {POINTER.format('body')} AS pointer FROM {table}"  # noqa: S608
    f" WHERE {_THESE} AND {IS_POINTER.format('body')}"
    for table, result in (("jobs_jobinput", "false"), ("jobs_jobresult", "true"), ("jobs_step", "true"))
)
# The names are stored before their rows go: whoever dies between the two, the objects are deleted later.
MARK_OBJECTS = Statement(
    f"""
WITH pointer AS MATERIALIZED ({_POINTERS}), object AS (
  SELECT job_id, is_result, pointer->>'name' AS name FROM pointer
  UNION ALL SELECT job_id, is_result, file->>'name'
    FROM pointer, json_array_elements(COALESCE(pointer->'files', '[]')) AS file
)
INSERT INTO jobs_unwantedobject AS unwanted (name, client_id, erased_jobs, is_result)
SELECT name, job.client_id, array_agg(DISTINCT job.id), bool_or(is_result)
FROM object JOIN jobs_job job ON job.id = object.job_id GROUP BY name, job.client_id ORDER BY name
ON CONFLICT (name) DO UPDATE SET erased_jobs = unwanted.erased_jobs || excluded.erased_jobs
RETURNING name
""",  # noqa: S608  # built from our own constants
    str,
)
# Without its keys no copy of an encrypted job can be read, in a backup neither.
# An address may have content in its path, so the list of those that answered 410 forgets it.
DELETE_ROWS = Statement(
    f"""
WITH input AS (DELETE FROM jobs_jobinput WHERE {_THESE} RETURNING 1),
  result AS (DELETE FROM jobs_jobresult WHERE {_THESE} RETURNING 1),
  key AS (DELETE FROM jobs_jobkey WHERE {_THESE}),
  letter AS (DELETE FROM jobs_deadletter WHERE {_THESE} RETURNING 1),
  delivery AS (DELETE FROM jobs_delivery WHERE {_THESE} RETURNING client_id, url),
  endpoint AS (DELETE FROM jobs_disabledendpoint AS gone USING delivery
    WHERE gone.client_id = delivery.client_id AND gone.url = delivery.url RETURNING 1),
  entry AS (DELETE FROM jobs_cacheentry WHERE {_THESE} RETURNING 1),
  message AS (DELETE FROM jobs_attemptmessage WHERE {_THESE} RETURNING 1),
  outbox AS (DELETE FROM jobs_outbox WHERE {_THESE}),
  follower AS (DELETE FROM jobs_follower WHERE {_THESE}),
  subject AS (DELETE FROM jobs_subject WHERE {_THESE}),
  label AS (DELETE FROM jobs_joblabel WHERE {_THESE}),
  route AS (DELETE FROM jobs_route WHERE {_THESE}),
  feedback AS (DELETE FROM jobs_feedback WHERE {_THESE}),
  step AS (DELETE FROM jobs_step WHERE {_THESE}),
  copy AS (DELETE FROM jobs_shadowcopy WHERE {_THESE})
SELECT (SELECT count(*) FROM input) AS inputs, (SELECT count(*) FROM result) AS results,
  (SELECT count(*) FROM letter) AS dead_letters, (SELECT count(*) FROM delivery) AS webhooks,
  (SELECT count(*) FROM endpoint) AS endpoints, (SELECT count(*) FROM entry) AS cache_entries,
  (SELECT count(*) FROM message) AS messages
""",  # noqa: S608  # built from our own constants
    Erased,
)


class Lifetime(NamedTuple):
    """When a job was made and ended."""

    id: UUID
    created_at: datetime
    finished_at: datetime


# The tombstone: id, client, version, state, counts and times.
EMPTY_JOBS = Statement(
    """
UPDATE jobs_job SET idempotency_key = NULL, request_digest = NULL, error_kind = '', error_code = '', size = 0,
  deadline = NULL, erased_at = now()
WHERE id = ANY(%(jobs)s::uuid[]) RETURNING id, created_at, finished_at
""",
    Lifetime,
)
# Ids of batches hold their time, so only those of the job's life are read.
EMPTY_PROGRESS: Statement[None] = Statement("""
UPDATE jobs_batch SET progress = progress - %(job)s::uuid::text
WHERE id >= %(first)s AND id < %(end)s AND progress ? %(job)s::uuid::text
""")
LIFETIMES = Statement(
    """
SELECT id, created_at, finished_at FROM jobs_job
WHERE id = ANY(%(jobs)s::uuid[]) AND erased_at IS NOT NULL AND finished_at IS NOT NULL
""",
    Lifetime,
)

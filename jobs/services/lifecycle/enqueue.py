"""Enqueue: the one statement that writes a job's Outbox row, in the transaction that queued the job.

Submit, retry, release, reap and replay all use it, so that no column is forgotten by one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import State
from jobs.db.statement import Statement, run

# Jobs with different parameters share no batch; 28 bits of a digest are enough for a hint. Encrypted
# parameters differ even when they are equal, so their digest was computed when the job was submitted.
_PARAMETERS_DIGEST: LiteralString = (
    "COALESCE(input.variant, CAST(CAST('x' || left(md5(input.parameters), 7) AS bit(28)) AS int), 0)"
)


def outbox_insert(jobs: LiteralString, *, due: LiteralString) -> LiteralString:
    """Return the SQL that writes an Outbox row for each row of `jobs`, none of which has one yet.

    `jobs` is a FROM clause in which `job` has the columns of a job and `input` those of its input; `due` is
    an SQL expression. The caller has just made the jobs, or holds their locks.
    """
    return f"""
INSERT INTO jobs_outbox
  (job_id, epoch, version_id, queue, priority, size, due, since, deadline, published, apart, client, variant,
   retry, traceparent)
SELECT job.id, job.epoch, job.version_id, job.queue, job.priority, job.size, {due}, {due}, job.deadline, 0, 0,
  job.client_id, {_PARAMETERS_DIGEST}, job.state = '{State.WAITING}', input.traceparent
FROM {jobs}
"""  # noqa: S608  # built from our own constants


def outbox_upsert(jobs: LiteralString, *, due: LiteralString) -> LiteralString:
    """Return the same SQL for jobs of which some may have a row of an earlier epoch: it is overwritten.

    A submit goes without: to look for that row cost its statement 4 to 7 % of the server's time.
    """
    return f"""{outbox_insert(jobs, due=due)}
ON CONFLICT (job_id) DO UPDATE
SET epoch = excluded.epoch, version_id = excluded.version_id, queue = excluded.queue,
  priority = excluded.priority, size = excluded.size, due = excluded.due, since = excluded.since,
  deadline = excluded.deadline, published = excluded.published, published_at = NULL, apart = excluded.apart,
  client = excluded.client, variant = excluded.variant, retry = excluded.retry,
  traceparent = excluded.traceparent
"""


_ENQUEUE = Statement(
    outbox_upsert(
        """unnest(%(jobs)s::uuid[], %(delays_s)s::float8[]) AS next(id, delay_s)
  JOIN jobs_job job USING (id) JOIN jobs_jobinput input ON input.job_id = job.id""",
        due="now() + make_interval(secs => next.delay_s)",
    )
)
_SET_APART = Statement("""
UPDATE jobs_outbox AS outbox SET apart = member.apart
FROM unnest(%(jobs)s::uuid[], %(groups)s::int[]) AS member(job_id, apart)
WHERE outbox.job_id = member.job_id
""")
# The side rows of jobs that no longer wait, in a statement after the one that locked the jobs.
WITHDRAW = Statement("""
WITH follower AS (DELETE FROM jobs_follower WHERE job_id = ANY(%(jobs)s::uuid[]))
DELETE FROM jobs_outbox WHERE job_id = ANY(%(jobs)s::uuid[])
""")


def enqueue(connection: sa.Connection, delays_s: Mapping[UUID, float]) -> None:
    """Schedule the publish of jobs that this transaction has locked, each after its delay in seconds."""
    if delays_s:
        run(connection, _ENQUEUE, {"jobs": list(delays_s), "delays_s": list(delays_s.values())})


def isolate(connection: sa.Connection, groups: Mapping[UUID, int]) -> None:
    """Give jobs that this transaction enqueued their isolation groups, beside which no other job runs."""
    if groups:
        run(connection, _SET_APART, {"jobs": list(groups), "groups": list(groups.values())})

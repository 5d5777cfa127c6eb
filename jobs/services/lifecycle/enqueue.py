"""Enqueue: the one way a job's Outbox row is written, in the transaction that made it queued or waiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import State

# What differs in its parameters runs apart; 28 bits are enough for a hint.
# Of sealed parameters, equal ones of which differ at rest, it was reckoned when the job was admitted.
VARIANT: LiteralString = (
    "COALESCE(input.variant, CAST(CAST('x' || left(md5(input.parameters), 7) AS bit(28)) AS int), 0)"
)

# :jobs and :delays (seconds) are arrays of one length; the jobs' rows are locked by the caller.
ENQUEUE = sa.text(f"""
INSERT INTO jobs_outbox
  (job_id, epoch, version_id, queue, priority, size, due, deadline, published, client, variant, retry)
SELECT job.id, job.epoch, job.version_id, job.queue, job.priority, job.size,
       now() + make_interval(secs => next.delay_s), job.deadline, 0, job.client_id, {VARIANT},
       job.state = '{State.WAITING}'
FROM unnest(CAST(:jobs AS uuid[]), CAST(:delays AS float8[])) AS next(id, delay_s)
JOIN jobs_job job USING (id) JOIN jobs_jobinput input ON input.job_id = job.id
ON CONFLICT (job_id) DO UPDATE
SET epoch = EXCLUDED.epoch, version_id = EXCLUDED.version_id, queue = EXCLUDED.queue,
    priority = EXCLUDED.priority, size = EXCLUDED.size, due = EXCLUDED.due, deadline = EXCLUDED.deadline,
    published = 0, apart = 0, client = EXCLUDED.client, variant = EXCLUDED.variant, retry = EXCLUDED.retry
""")  # noqa: S608  # built from constants of our own

_SET_APART = sa.text("""
UPDATE jobs_outbox AS outbox SET apart = given.apart
FROM unnest(CAST(:jobs AS uuid[]), CAST(:groups AS int[])) AS given(job_id, apart)
WHERE outbox.job_id = given.job_id
""")


def isolate(connection: sa.Connection, groups: Mapping[UUID, int]) -> None:
    """Have jobs that this transaction enqueued run in these groups, with nothing else beside them."""
    if groups:
        connection.execute(_SET_APART, {"jobs": list(groups), "groups": list(groups.values())})

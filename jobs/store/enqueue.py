"""Enqueue: the one way a job's Outbox row is written, in the transaction that made it queued or waiting."""

from __future__ import annotations

import sqlalchemy as sa

# :jobs and :delays (seconds) are arrays of one length; the jobs' rows are locked by the caller.
ENQUEUE = sa.text("""
INSERT INTO jobs_outbox
  (job_id, epoch, version_id, queue, priority, size, due, deadline, published)
SELECT job.id, job.epoch, job.version_id, job.queue, job.priority, job.size,
       now() + make_interval(secs => next.delay_s), job.deadline, 0
FROM unnest(CAST(:jobs AS uuid[]), CAST(:delays AS float8[])) AS next(id, delay_s)
JOIN jobs_job job USING (id)
ON CONFLICT (job_id) DO UPDATE
SET epoch = EXCLUDED.epoch, version_id = EXCLUDED.version_id, queue = EXCLUDED.queue,
    priority = EXCLUDED.priority, size = EXCLUDED.size, due = EXCLUDED.due, deadline = EXCLUDED.deadline,
    published = 0
""")

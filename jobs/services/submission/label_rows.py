"""Store the fields of new jobs' metadata that can be searched for; only few models have any."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from jobs.core.submission.job_labels import Labels
from jobs.db.statement import Statement, execute

_LABEL: Statement[None] = Statement("""
INSERT INTO jobs_joblabel (job_id, queue, field, value, expires_at)
SELECT job.id, job.queue, given.field, given.value, job.created_at + make_interval(days => job.keep_days)
FROM unnest(%(jobs)s::uuid[], %(fields)s::text[], %(values)s::text[]) AS given(id, field, value)
JOIN jobs_job job USING (id)
ON CONFLICT (job_id, field) DO NOTHING
""")


def label_jobs(labels: Mapping[UUID, Labels]) -> None:
    """Store the labels of jobs. Requires the transaction that stores the jobs."""
    rows = [(job, *pair) for job, pairs in labels.items() for pair in pairs]
    if rows:
        jobs, fields, values = zip(*rows, strict=True)
        execute(_LABEL, {"jobs": list(jobs), "fields": list(fields), "values": list(values)})

"""Remember of which subjects a new job's input is; only jobs of models that mark one have such rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from jobs.db.statement import Statement, execute

_REMEMBER: Statement[None] = Statement("""
INSERT INTO jobs_subject (job_id, client_id, digest)
SELECT job.id, job.client_id, given.digest
FROM unnest(%(jobs)s::uuid[], %(digests)s::bytea[]) AS given(id, digest) JOIN jobs_job job USING (id)
ON CONFLICT (job_id, digest) DO NOTHING
""")


def remember_subjects(digests: Mapping[UUID, Sequence[bytes]]) -> None:
    """Store the digests of jobs' subjects. Requires the transaction that stores the jobs, or locked them."""
    pairs = [(job, digest) for job, own in digests.items() for digest in own]
    if pairs:
        values = {"jobs": [job for job, _ in pairs], "digests": [digest for _, digest in pairs]}
        execute(_REMEMBER, values)

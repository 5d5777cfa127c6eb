"""Release: a worker that stops gives back what it claimed and did not run; no attempt is charged."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import Verb, sources, target
from jobs.services.lifecycle.enqueue import ENQUEUE, isolate

_RELEASE = sa.text("""
WITH held AS (
  SELECT * FROM unnest(CAST(:jobs AS uuid[]), CAST(:epochs AS int[])) AS held(id, epoch)
), locked AS (
  SELECT job.id FROM jobs_job job JOIN held USING (id, epoch)
  WHERE job.state = ANY(CAST(:sources AS text[])) ORDER BY job.id FOR UPDATE OF job
)
UPDATE jobs_job job
SET state = :target, epoch = job.epoch + 1, attempts = job.attempts - 1, batch_id = NULL, started_at = NULL
FROM locked WHERE job.id = locked.id
RETURNING job.id
""")

_CLOSE = sa.text("""
UPDATE jobs_batch SET finished_at = now(), released = :released WHERE id = :batch AND finished_at IS NULL
""")


def release(
    connection: sa.Connection, *, batch: UUID, jobs: Sequence[tuple[UUID, int]], isolation_group: int = 0
) -> list[UUID]:
    """Queue again those of `jobs` (id, epoch of the claim) that still run under it; close `batch`.

    `isolation_group` is the group that they were to run in, where they were.
    """
    parameters = {
        "jobs": [job for job, _ in jobs],
        "epochs": [epoch for _, epoch in jobs],
        "sources": sources(Verb.RELEASE),
        "target": target(Verb.RELEASE).value,
    }
    released = list(connection.execute(_RELEASE, parameters).scalars())
    connection.execute(ENQUEUE, {"jobs": released, "delays": [0.0] * len(released)})
    isolate(connection, dict.fromkeys(released, isolation_group) if isolation_group else {})
    connection.execute(_CLOSE, {"batch": batch, "released": len(released)})
    return released

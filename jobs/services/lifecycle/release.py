"""Release: a worker that stops gives back what it claimed and did not run; no attempt is charged."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import Verb, sources, target
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.enqueue import enqueue, isolate
from jobs.services.lifecycle.reap import CLOSE, NOTE_TAKEN_BACK

_RELEASE = Statement(
    """
WITH held AS (
  SELECT * FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[]) AS held(id, epoch)
), locked AS (
  SELECT job.id FROM jobs_job job JOIN held USING (id, epoch)
  WHERE job.batch_id = %(batch)s AND job.state = ANY(%(sources)s::text[])
  ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
)
UPDATE jobs_job job
SET state = %(target)s, epoch = job.epoch + 1, attempts = job.attempts - 1, batch_id = NULL, started_at = NULL
FROM locked WHERE job.id = locked.id
RETURNING job.id
""",
    UUID,
)


def release(
    connection: sa.Connection, *, batch: UUID, jobs: Sequence[tuple[UUID, int]], isolation_group: int = 0
) -> list[UUID]:
    """Queue again those of `jobs` (id, epoch of the claim) that still run under it; close `batch`.

    A job whose row is locked keeps the batch open, for the sweeper.
    `isolation_group` is the group that they were to run in, 0 for none.
    """
    parameters = {
        "jobs": [job for job, _ in jobs],
        "epochs": [epoch for _, epoch in jobs],
        "batch": batch,
        "sources": sources(Verb.RELEASE),
        "target": target(Verb.RELEASE),
    }
    released = run(connection, _RELEASE, parameters)
    if released:
        note = {"actor": "worker", "batch": str(batch), "code": "released"}
        run(connection, NOTE_TAKEN_BACK, {"jobs": released, **note})
    enqueue(connection, dict.fromkeys(released, 0.0))
    isolate(connection, dict.fromkeys(released, isolation_group) if isolation_group else {})
    counts = {"released": len(released), "failed": 0}
    run(connection, CLOSE, {"batch": batch, "running": sources(Verb.REAP), **counts})
    return released

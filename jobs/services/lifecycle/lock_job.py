"""Lock one job for a change: the job first, its side rows in later statements of the same transaction."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from jobs.core.errors import JobErasedError, JobNotFoundError
from jobs.db.statement import Statement, execute


@dataclass(frozen=True, slots=True)
class Locked:
    """A job's state and epoch, which no other transaction changes before this one ends."""

    state: str
    epoch: int
    is_erased: bool


PATIENCE = Statement("SELECT set_config('lock_timeout', '5s', true)", str)
_LOCK = Statement(
    """
SELECT state, epoch, erased_at IS NOT NULL AS is_erased FROM jobs_job
WHERE id = %(id)s AND (%(client)s::bigint IS NULL OR client_id = %(client)s) FOR UPDATE
""",
    Locked,
)


def lock_job(job_id: UUID, *, client_id: int | None) -> Locked:
    """Lock a job, of one client where that is given. Requires a transaction.

    JobNotFoundError, JobErasedError.
    """
    job = lock_any_job(job_id, client_id=client_id)
    if job.is_erased:
        raise JobErasedError
    return job


def lock_any_job(job_id: UUID, *, client_id: int | None) -> Locked:
    """Lock a job as `lock_job` does, also one that was erased."""
    execute(PATIENCE)
    rows = execute(_LOCK, {"id": job_id, "client": client_id})
    if not rows:
        raise JobNotFoundError
    return rows[0]

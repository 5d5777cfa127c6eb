"""Cancel a job: whatever its worker still says of it is fenced off."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from django.db import transaction

from jobs.core.channels import CANCELLED, SETTLED
from jobs.core.errors import WrongStateError
from jobs.core.states import State, Verb, sources, target
from jobs.db.positional import execute, once_more
from jobs.services.access.audit import note
from jobs.services.lifecycle.lock_job import lock_job

_CANCELLED = target(Verb.CANCEL)
_SOURCES = sources(Verb.CANCEL)
_CANCEL: LiteralString = """
UPDATE jobs_job SET state = %s, epoch = epoch + 1, finished_at = now() WHERE id = %s RETURNING epoch
"""
_WITHDRAW: LiteralString = """
WITH follower AS (DELETE FROM jobs_follower WHERE job_id = %(job)s)
DELETE FROM jobs_outbox WHERE job_id = %(job)s
"""
_TELL: LiteralString = "SELECT pg_notify(%s, %s), pg_notify(%s, %s)"


def cancel_job(*, job_id: UUID, actor: str, client_id: int | None = None) -> bool:
    """Cancel a live job and say whether this call did it; False where it is cancelled already.

    JobNotFoundError where there is no such job (of `client_id`, if given); WrongStateError where the job has
    another end.
    """
    return once_more(lambda: _cancel(job_id, actor, client_id))


@transaction.atomic
def _cancel(job_id: UUID, actor: str, client_id: int | None) -> bool:
    job = lock_job(job_id, client_id=client_id)
    if job.state == _CANCELLED:
        return False
    if job.state not in _SOURCES:
        raise WrongStateError(f"The job is {State(job.state)}: it cannot be cancelled.")
    ((epoch,),) = execute(_CANCEL, (_CANCELLED.value, job_id))
    execute(_WITHDRAW, {"job": job_id})
    note(Verb.CANCEL, actor=actor, job=job_id, epoch=epoch)
    execute(_TELL, (SETTLED, f"job:{job_id}", CANCELLED, f"{job_id}:{epoch}"))
    return True

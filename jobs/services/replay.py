"""Replay a job that ended without an answer: it is queued again, with all its attempts before it."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from django.db import transaction

from jobs.core.errors import WrongStateError
from jobs.core.states import State, Verb, sources, target
from jobs.selectors.statement import execute
from jobs.services.lock import lock_job, note
from jobs.services.notify import wake_relay
from jobs.store.enqueue import VARIANT

_SOURCES = sources(Verb.REPLAY)
# A deadline that has passed would expire the job again at once: it is dropped.
_REQUEUE: LiteralString = """
UPDATE jobs_job SET state = %s, epoch = epoch + 1, attempts = 0, batch_id = NULL, started_at = NULL,
  finished_at = NULL, error_kind = '', error_code = '',
  deadline = CASE WHEN deadline > now() THEN deadline END
WHERE id = %s RETURNING epoch
"""
_UNBURY: LiteralString = "DELETE FROM jobs_deadletter WHERE job_id = %s"
_PUBLISH: LiteralString = f"""
INSERT INTO jobs_outbox (job_id, epoch, version_id, queue, priority, size, due, published, deadline, client,
  variant)
SELECT job.id, job.epoch, job.version_id, job.queue, job.priority, job.size, now(), 0, job.deadline,
  job.client_id, {VARIANT}
FROM jobs_job job JOIN jobs_jobinput input ON input.job_id = job.id WHERE job.id = %s
ON CONFLICT (job_id) DO UPDATE SET epoch = excluded.epoch, version_id = excluded.version_id,
  queue = excluded.queue, priority = excluded.priority, size = excluded.size, due = excluded.due,
  published = 0, apart = 0, deadline = excluded.deadline, client = excluded.client, variant = excluded.variant
"""  # noqa: S608  # built from our own constant


def replay_job(*, job_id: UUID, actor: str, client_id: int | None = None) -> None:
    """Queue a dead, cancelled or expired job again.

    JobNotFoundError where there is no such job (of `client_id`, if given); WrongStateError in another state.
    """
    _replay(job_id, actor, client_id)
    wake_relay()


@transaction.atomic
def _replay(job_id: UUID, actor: str, client_id: int | None) -> None:
    job = lock_job(job_id, client_id=client_id)
    if job.state not in _SOURCES:
        raise WrongStateError(f"The job is {State(job.state)}: it cannot be replayed.")
    ((epoch,),) = execute(_REQUEUE, (target(Verb.REPLAY).value, job_id))
    execute(_UNBURY, (job_id,))
    execute(_PUBLISH, (job_id,))
    note(job_id, kind=Verb.REPLAY, actor=actor, epoch=epoch)

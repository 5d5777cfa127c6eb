"""Cancel a job: the new epoch fences off any verdict that its worker still sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from jobs import tracing
from jobs.core.channels import CANCELLED, SETTLED
from jobs.core.errors import WrongStateError
from jobs.core.job_error import CANCELLED_CODE
from jobs.core.states import State, Verb, sources, target
from jobs.db.statement import Statement, execute, once_more
from jobs.services.access.audit import note
from jobs.services.lifecycle.end_times import EndedJob, observe_ends
from jobs.services.lifecycle.enqueue import WITHDRAW
from jobs.services.lifecycle.lock_job import PATIENCE, lock_job
from jobs.services.lifecycle.replay import note_all
from jobs.services.reads.traced_ends import trace_ends

_CANCELLED = target(Verb.CANCEL)
_SOURCES = sources(Verb.CANCEL)


class _Cancelled(NamedTuple):
    id: UUID
    epoch: int
    model: str


_CANCEL = Statement(
    """
UPDATE jobs_job SET state = %(cancelled)s, epoch = epoch + 1, finished_at = now(), error_kind = '',
  error_code = %(code)s
WHERE id = %(job)s
RETURNING id, epoch, queue AS model
""",
    _Cancelled,
)


# In id order, as all statements lock jobs.
_LOCK_LIVE = Statement(
    """
SELECT id FROM jobs_job
WHERE id = ANY(%(jobs)s::uuid[]) AND state = ANY(%(sources)s::text[]) AND erased_at IS NULL
ORDER BY id FOR UPDATE
""",
    UUID,
)
_CANCEL_ALL = Statement(
    """
UPDATE jobs_job SET state = %(cancelled)s, epoch = epoch + 1, finished_at = now(), error_kind = '',
  error_code = %(code)s
WHERE id = ANY(%(jobs)s::uuid[])
RETURNING id, epoch, queue AS model
""",
    _Cancelled,
)
_NOTIFY_ALL = Statement("""
SELECT pg_notify(jobs_channel(channel), payload)
FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[]) AS job(id, epoch) CROSS JOIN LATERAL (VALUES
  (%(settled)s::text, 'job:' || id), (%(cancelled)s::text, id || ':' || epoch)
) AS notice(channel, payload)
""")
_NOTIFY = Statement("""
SELECT pg_notify(jobs_channel(channel), payload) FROM (VALUES
  (%(settled)s::text, 'job:' || %(job)s::uuid), (%(cancelled)s::text, %(job)s::uuid || ':' || %(epoch)s::int)
) AS notice(channel, payload)
""")


def cancel_job(*, job_id: UUID, actor: str, client_id: int | None = None, code: str = CANCELLED_CODE) -> bool:
    """Cancel a live job and return whether this call did it; False where it was cancelled before.

    JobNotFoundError where there is no such job (of `client_id`, if given); WrongStateError where the job has
    another end. `code` is that of the job's error.
    """
    ended = once_more(lambda: _cancel(job_id, actor, client_id, code))
    _observe(ended)
    return bool(ended)


@transaction.atomic
def _cancel(job_id: UUID, actor: str, client_id: int | None, code: str) -> list[EndedJob]:
    """Cancel a job and return it; nothing where it was cancelled before."""
    job = lock_job(job_id, client_id=client_id)
    if job.state == _CANCELLED:
        return []
    if job.state not in _SOURCES:
        raise WrongStateError(f"The job is {State(job.state)}: it cannot be cancelled.")
    (ended,) = execute(_CANCEL, {"cancelled": _CANCELLED, "job": job_id, "code": code})
    execute(WITHDRAW, {"jobs": [job_id]})
    note(Verb.CANCEL, actor=actor, job=job_id, epoch=ended.epoch)
    channels = {"settled": SETTLED, "cancelled": CANCELLED}
    execute(_NOTIFY, {**channels, "job": job_id, "epoch": ended.epoch})
    return [EndedJob(ended.id, ended.model)]


def cancel_all(jobs: Sequence[UUID], *, actor: str) -> int:
    """Cancel those of `jobs` that are live and return how many. Requires a transaction."""
    execute(PATIENCE)
    live = execute(_LOCK_LIVE, {"jobs": list(jobs), "sources": list(_SOURCES)})
    rows = execute(_CANCEL_ALL, {"jobs": live, "cancelled": _CANCELLED, "code": CANCELLED_CODE})
    execute(WITHDRAW, {"jobs": live})
    note_all(live, kind=Verb.CANCEL, actor=actor)
    named = {"jobs": [row.id for row in rows], "epochs": [row.epoch for row in rows]}
    execute(_NOTIFY_ALL, {"settled": SETTLED, "cancelled": CANCELLED, **named})
    ended = [EndedJob(row.id, row.model) for row in rows]
    transaction.on_commit(lambda: _observe(ended))
    return len(ended)


def _observe(ended: list[EndedJob]) -> None:
    observe_ends(ended, _CANCELLED)
    if tracing.on and ended:
        trace_ends([job.id for job in ended])

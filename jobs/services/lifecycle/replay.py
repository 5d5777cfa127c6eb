"""Replay jobs that ended without an answer: they are queued again, with all their attempts before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from django.db import transaction

from jobs.core.errors import PayloadGoneError, WrongStateError
from jobs.core.states import State, Verb, sources, target
from jobs.db.notify import wake_relay
from jobs.db.positional import execute
from jobs.services.access.audit import who
from jobs.services.lifecycle.enqueue import VARIANT
from jobs.services.lifecycle.lock_job import lock_job
from jobs.services.webhooks.subscriptions import expect_again

_SOURCES = sources(Verb.REPLAY)
_TIMES: LiteralString = """
  SELECT id, COALESCE(%(start)s::timestamptz, now())
    + make_interval(secs => (%(before)s + number - 1) * %(gap_s)s::float8) AS due
  FROM unnest(%(jobs)s::uuid[]) WITH ORDINALITY AS job(id, number)
"""
# A deadline that passes before the job is due would only expire it: it is dropped.
_REQUEUE: LiteralString = f"""
UPDATE jobs_job SET state = %(queued)s, epoch = epoch + 1, attempts = 0, batch_id = NULL, started_at = NULL,
  finished_at = NULL, error_kind = '', error_code = '',
  deadline = CASE WHEN deadline > next.due THEN deadline END
FROM ({_TIMES}) AS next WHERE jobs_job.id = next.id
"""  # noqa: S608  # built from our own constants
_UNBURY: LiteralString = "DELETE FROM jobs_deadletter WHERE job_id = ANY(%(jobs)s)"
_PUBLISH: LiteralString = f"""
INSERT INTO jobs_outbox
  (job_id, epoch, version_id, queue, priority, size, due, deadline, published, apart, client, variant)
SELECT job.id, job.epoch, job.version_id, job.queue, job.priority, job.size, next.due, job.deadline, 0, 0,
  job.client_id, {VARIANT}
FROM ({_TIMES}) AS next JOIN jobs_job job USING (id) JOIN jobs_jobinput input ON input.job_id = job.id
ON CONFLICT (job_id) DO UPDATE
SET epoch = excluded.epoch, version_id = excluded.version_id, queue = excluded.queue,
  priority = excluded.priority, size = excluded.size, due = excluded.due, deadline = excluded.deadline,
  published = 0, apart = 0, client = excluded.client, variant = excluded.variant
RETURNING job_id
"""  # noqa: S608
_NOTE: LiteralString = """
INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
SELECT id, %(kind)s, %(actor)s, epoch, %(detail)s::text::jsonb, %(address)s::inet, %(token)s::bigint
FROM jobs_job WHERE id = ANY(%(jobs)s)
"""


@dataclass(frozen=True, slots=True)
class ReplayPace:
    """When replayed jobs are due: from `start` on (None: now), one each `gap_s`, after `before` others."""

    start: datetime | None = None
    before: int = 0
    gap_s: float = 0.0


AT_ONCE = ReplayPace()


def replay_job(*, job_id: UUID, actor: str, client_id: int | None = None) -> None:
    """Queue a dead, cancelled or expired job again.

    JobNotFoundError where there is no such job (of `client_id`, if given); WrongStateError in another state;
    PayloadGoneError where its input is not kept any more.
    """
    with transaction.atomic():
        lock_replayable(job_id, client_id=client_id)
        requeue([job_id], actor=actor)
    wake_relay()


def lock_replayable(job_id: UUID, *, client_id: int | None = None) -> None:
    """Lock a job that may be replayed; WrongStateError where it may not. Requires a transaction."""
    check_replayable(lock_job(job_id, client_id=client_id).state)


def check_replayable(state: str) -> None:
    """Refuse a job's state that allows no replay: WrongStateError."""
    if state not in _SOURCES:
        raise WrongStateError(f"The job is {State(state)}: it cannot be replayed.")


def requeue(jobs: Sequence[UUID], *, actor: str, pace: ReplayPace = AT_ONCE, detail: str = "{}") -> None:
    """Queue again jobs that this transaction has locked in a state that allows it, in one statement a table.

    `detail` is the JSON that their events keep. PayloadGoneError where one's input is gone.
    """
    times = {"jobs": list(jobs), "start": pace.start, "before": pace.before, "gap_s": pace.gap_s}
    execute(_REQUEUE, {**times, "queued": target(Verb.REPLAY).value})
    execute(_UNBURY, {"jobs": times["jobs"]})
    # Its partition cannot go before this transaction ends: reading a row of it holds it.
    if len(execute(_PUBLISH, times)) < len(jobs):
        raise PayloadGoneError
    expect_again(jobs)
    note_all(jobs, kind=Verb.REPLAY, actor=actor, detail=detail)


def note_all(jobs: Sequence[UUID], *, kind: str, actor: str, detail: str = "{}") -> None:
    """Append an Event a job of what somebody did to it. Requires a transaction."""
    execute(_NOTE, {"jobs": list(jobs), "detail": detail, **who(kind, actor)})

"""Replay: jobs that ended without a result are queued again, with all their attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from django.db import transaction

from jobs.core.errors import PayloadGoneError, WrongStateError
from jobs.core.states import State, Verb, sources, target
from jobs.db.notify import wake_relay
from jobs.db.statement import Statement, execute
from jobs.services.access.audit import who
from jobs.services.lifecycle.cascading.restart import begin_anew
from jobs.services.lifecycle.enqueue import outbox_upsert
from jobs.services.lifecycle.lock_job import PATIENCE, lock_job
from jobs.services.lifecycle.rerouting.replay_versions import check_not_blocked, plan_by_rule
from jobs.services.lifecycle.unshare import unshare
from jobs.services.webhooks.subscriptions import expect_again

_SOURCES = sources(Verb.REPLAY)


class _Before(NamedTuple):
    """How a job had ended before its replay."""

    id: UUID
    state: str
    ended_at: datetime
    batch: UUID | None


_TIMES: LiteralString = """
  SELECT id, COALESCE(%(start)s::timestamptz, now())
    + make_interval(secs => (%(before)s + number - 1) * %(gap_s)s::float8) AS due
  FROM unnest(%(jobs)s::uuid[]) WITH ORDINALITY AS job(id, number)
"""
# A deadline that passes before the job is due would only expire it, so it is dropped.
_REQUEUE = Statement(
    f"""
UPDATE jobs_job SET state = %(queued)s, epoch = jobs_job.epoch + 1, attempts = 0, batch_id = NULL,
  started_at = NULL, finished_at = NULL, error_kind = '', error_code = '',
  version_id = COALESCE(chosen.version, jobs_job.version_id),
  queue = COALESCE(chosen.queue, jobs_job.queue),
  deadline = CASE WHEN jobs_job.deadline > next.due THEN jobs_job.deadline END
FROM ({_TIMES}) AS next JOIN jobs_job AS old USING (id)
LEFT JOIN unnest(%(moved)s::uuid[], %(versions)s::bigint[], %(queues)s::text[]) AS chosen(id, version, queue)
  USING (id)
WHERE jobs_job.id = next.id
RETURNING old.id, old.state, old.finished_at AS ended_at, old.batch_id AS batch
""",  # noqa: S608  # built from our own constants
    _Before,
)
_UNBURY = Statement("DELETE FROM jobs_deadletter WHERE job_id = ANY(%(jobs)s)")
_ENQUEUE_AT: LiteralString = outbox_upsert(
    f"({_TIMES}) AS next JOIN jobs_job job USING (id) JOIN jobs_jobinput input ON input.job_id = job.id",
    due="next.due",
)
_PUBLISH = Statement(f"{_ENQUEUE_AT} RETURNING job_id", UUID)
# In id order, as all statements lock jobs. Discarded jobs stay as they are: no list shows them.
_LOCK_ENDED = Statement(
    """
SELECT id FROM jobs_job
WHERE id = ANY(%(jobs)s::uuid[]) AND state = ANY(%(sources)s::text[]) AND erased_at IS NULL
ORDER BY id FOR UPDATE
""",
    UUID,
)
# Reading an input's row locks its partition, which cannot be dropped before this transaction ends.
_WITH_INPUT = Statement(
    """
SELECT job_id FROM jobs_jobinput WHERE job_id = ANY(%(jobs)s::uuid[]) AND NOT EXISTS (
  SELECT FROM jobs_deadletter letter
  WHERE letter.job_id = jobs_jobinput.job_id AND letter.discarded_at IS NOT NULL)
ORDER BY job_id
""",
    UUID,
)
_NOTE = Statement("""
INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
SELECT id, %(kind)s, %(actor)s, epoch, %(detail)s::text::jsonb, %(address)s::inet, %(token)s::bigint
FROM jobs_job WHERE id = ANY(%(jobs)s)
""")
# How each job had ended goes with the event, because the job's row forgets it: the timeline reads it.
_NOTE_REPLAYS = Statement("""
INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
SELECT id, %(kind)s, %(actor)s, job.epoch,
  %(detail)s::text::jsonb || jsonb_strip_nulls(jsonb_build_object(
    'was', before.state, 'ended_at', before.ended_at, 'batch', before.batch,
    'from', moved.before, 'to', moved.after)),
  %(address)s::inet, %(token)s::bigint
FROM unnest(%(jobs)s::uuid[], %(states)s::text[], %(ends)s::timestamptz[], %(batches)s::uuid[])
  AS before(id, state, ended_at, batch) JOIN jobs_job job USING (id)
LEFT JOIN unnest(%(moved)s::uuid[], %(befores)s::text[], %(afters)s::text[]) AS moved(id, before, after)
  USING (id)
""")


@dataclass(frozen=True, slots=True)
class ReplayPace:
    """When replayed jobs are due: from `start` on (None: now), one every `gap_s`, after `before` others."""

    start: datetime | None = None
    before: int = 0
    gap_s: float = 0.0


AT_ONCE = ReplayPace()


def replay_job(*, job_id: UUID, actor: str, client_id: int | None = None, same_version: bool = False) -> None:
    """Queue a dead, cancelled or expired job again.

    A job that a rule had routed gets the version that the rule in force now decides, unless `same_version`.
    JobNotFoundError where there is no such job (of `client_id`, if given); WrongStateError in another state;
    VersionStateError where it is to have the same version, and that is blocked; PayloadGoneError where its
    input was deleted.
    """
    with transaction.atomic():
        lock_replayable(job_id, client_id=client_id)
        if same_version:
            check_not_blocked(job_id)
        requeue([job_id], actor=actor, same_version=same_version)
    wake_relay()


def lock_replayable(job_id: UUID, *, client_id: int | None = None) -> None:
    """Lock a job that may be replayed; WrongStateError where it may not. Requires a transaction."""
    check_replayable(lock_job(job_id, client_id=client_id).state)


def check_replayable(state: str) -> None:
    """Refuse a job's state that allows no replay: WrongStateError."""
    if state not in _SOURCES:
        raise WrongStateError(f"The job is {State(state)}: it cannot be replayed.")


def requeue(
    jobs: Sequence[UUID],
    *,
    actor: str,
    pace: ReplayPace = AT_ONCE,
    detail: str = "{}",
    same_version: bool = False,
) -> None:
    """Queue again jobs that this transaction has locked in a state that allows it, in one statement a table.

    Those that a rule had routed get the version that it decides now, unless `same_version`. `detail` is the
    JSON of their events. PayloadGoneError where an input was deleted.
    """
    times = {"jobs": list(jobs), "start": pace.start, "before": pace.before, "gap_s": pace.gap_s}
    moves, restarts = ([], []) if same_version else plan_by_rule(jobs)
    moved = [move.job for move in moves]
    versions = {
        "moved": moved,
        "versions": [move.to.id for move in moves],
        "queues": [move.to.queue for move in moves],
    }
    before = execute(_REQUEUE, {**times, **versions, "queued": target(Verb.REPLAY)})
    # A job that begins a cascade again may get another answer, too, even at the same version.
    if other := sorted({*moved, *(restart.job for restart in restarts)}):
        unshare(other)
    if restarts:
        begin_anew(restarts)
    execute(_UNBURY, {"jobs": times["jobs"]})
    # Reading an input's row locks its partition, which cannot be dropped before this transaction ends.
    if len(execute(_PUBLISH, times)) < len(jobs):
        raise PayloadGoneError
    expect_again(jobs)
    ended = {
        "jobs": [row.id for row in before], "states": [row.state for row in before],
        "ends": [row.ended_at for row in before], "batches": [row.batch for row in before],
        "moved": moved, "befores": [str(move.before) for move in moves],
        "afters": [str(move.to) for move in moves],
    }  # fmt: skip
    execute(_NOTE_REPLAYS, {**ended, "detail": detail, **who(Verb.REPLAY, actor)})


def replay_all(jobs: Sequence[UUID], *, actor: str) -> int:
    """Queue again those of `jobs` that ended without a result and have an input; return how many.

    Requires a transaction.
    """
    execute(PATIENCE)
    ended = execute(_LOCK_ENDED, {"jobs": list(jobs), "sources": list(_SOURCES)})
    there = with_input(ended)
    if there:
        requeue(there, actor=actor)
    return len(there)


def with_input(jobs: Sequence[UUID]) -> list[UUID]:
    """Return, in order, those of `jobs` whose input is there, without discarded ones."""
    return execute(_WITH_INPUT, {"jobs": list(jobs)})


def note_all(jobs: Sequence[UUID], *, kind: str, actor: str, detail: str = "{}") -> None:
    """Append an Event for each job, of what `actor` did to it. Requires a transaction."""
    execute(_NOTE, {"jobs": list(jobs), "detail": detail, **who(kind, actor)})

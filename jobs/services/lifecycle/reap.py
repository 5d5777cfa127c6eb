"""The sweeper's statements: end silent workers, reap their open batches, expire jobs that waited too long.

Jobs are locked first, in id order; their side rows change in later statements of the same transaction,
because a statement's snapshot is older than a lock it waits for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.cascades.step_ends import StepEnd
from jobs.core.channels import SETTLED
from jobs.core.failures import FailureKind
from jobs.core.retry.quarantine import groups_after_death
from jobs.core.states import State, Verb, sources, target
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.bury import remember
from jobs.services.lifecycle.cascading.degrade import Fall, degrade, falls_back
from jobs.services.lifecycle.end_times import EndedJob
from jobs.services.lifecycle.enqueue import enqueue, isolate
from jobs.services.lifecycle.rerouting import deaths
from jobs.services.lifecycle.worker_row import DEVICE_LOST, HUNG, SILENT


class Death(NamedTuple):
    """The failure of the one job that ended its worker."""

    kind: FailureKind
    code: str
    message: str


DIED = "worker_died"
CRASH_FAILURE = Death(FailureKind.CRASH, DIED, "Running alone, the job ended its worker at every attempt.")
HUNG_FAILURE = Death(
    FailureKind.TIMEOUT, "batch_limit", "Running alone, the job outlived its limit at every attempt."
)

LOST_FAILURE = Death(
    FailureKind.CRASH, "device_lost", "Running alone, the job lost its worker's device at every attempt."
)
_FAILURES = {HUNG: HUNG_FAILURE, DEVICE_LOST: LOST_FAILURE}

_END_SILENT = Statement(
    """
UPDATE jobs_worker SET ended_at = now(), end_reason = %(silent)s
WHERE id IN (
  SELECT id FROM jobs_worker
  WHERE ended_at IS NULL AND heartbeat_at < now() - make_interval(secs => %(stale_s)s) FOR UPDATE SKIP LOCKED
) RETURNING node
""",
    str,
)


_ANY_SILENT = Statement(
    """
SELECT EXISTS (
  SELECT FROM jobs_worker
  WHERE ended_at IS NULL AND heartbeat_at < now() - make_interval(secs => %(stale_s)s))
""",
    bool,
)


class Orphan(NamedTuple):
    """An open batch that no worker runs; `named_at` is the heartbeat without it, None if its worker ended."""

    id: UUID
    named_at: datetime | None


# A batch is also orphaned where its live worker does not name it: a failover lost the settle, or a claim was
# stored after its worker had given it up. Its id is named from before its claim until its settle is stored.
_ORPHANED = Statement(
    """
SELECT batch.id, CASE WHEN worker.id IS NOT NULL THEN worker.named_at END AS named_at FROM jobs_batch batch
LEFT JOIN jobs_worker worker ON worker.id = batch.worker_id AND worker.ended_at IS NULL
WHERE batch.finished_at IS NULL AND (worker.id IS NULL
  OR (batch.claimed_at < worker.named_at AND NOT batch.id = ANY(worker.open_batches)))
LIMIT %(most)s
""",
    Orphan,
)


class _Member(NamedTuple):
    id: UUID
    model: str
    last: bool  # no further attempt is allowed
    falls_back: bool  # an answer of its cascade may stand


# One statement locks them all, in id order; two would cross a settle that is late.
_LOCK = Statement(
    f"""
SELECT id, queue AS model, attempts >= max_attempts AS last, {falls_back("jobs_job.id")} AS falls_back
FROM jobs_job
WHERE id IN (SELECT unnest(members) FROM jobs_batch WHERE id = %(batch)s) AND batch_id = %(batch)s
  AND state = ANY(%(sources)s::text[])
ORDER BY id FOR UPDATE SKIP LOCKED
""",  # noqa: S608  # built from our own constants
    _Member,
)


class _BatchEnd(NamedTuple):
    alone: bool  # one job ran apart
    end_reason: str
    died: bool  # its worker ended; else it lives and does not know the batch


_BATCH_END = Statement(
    """
SELECT batch.apart > 0 AND batch.size = 1 AS alone, COALESCE(worker.end_reason, '') AS end_reason,
  worker.id IS NULL OR worker.ended_at IS NOT NULL AS died
FROM jobs_batch batch LEFT JOIN jobs_worker worker ON worker.id = batch.worker_id
WHERE batch.id = %(batch)s
""",
    _BatchEnd,
)
_REQUEUE = Statement("""
UPDATE jobs_job SET state = %(target)s, epoch = epoch + 1, attempts = attempts - %(uncharged)s,
  batch_id = NULL, started_at = NULL
WHERE id = ANY(%(jobs)s::uuid[])
""")
_END = Statement("""
UPDATE jobs_job SET state = %(state)s, epoch = epoch + 1, finished_at = now(), error_kind = %(kind)s,
  error_code = %(code)s
WHERE id = ANY(%(jobs)s::uuid[])
""")
_NOTE = Statement("""
INSERT INTO jobs_event (job_id, epoch, kind, actor, detail)
SELECT id, epoch, 'failed', 'sweeper', %(detail)s::jsonb || jsonb_build_object('attempt', attempts)
FROM jobs_job WHERE id = ANY(%(jobs)s::uuid[])
""")
# A job that is taken back keeps no trace of that batch, but its timeline tells of it.
NOTE_TAKEN_BACK = Statement("""
INSERT INTO jobs_event (job_id, epoch, kind, actor, detail)
SELECT id, epoch - 1, 'taken_back', %(actor)s,
  jsonb_build_object('batch', %(batch)s::text, 'code', %(code)s::text)
FROM jobs_job WHERE id = ANY(%(jobs)s::uuid[])
""")
_BURY = Statement("""
INSERT INTO jobs_deadletter (job_id, epoch, queue, reason, kind, code, message, traceback, fingerprint)
SELECT id, epoch, queue, concat('attempt ', attempts, ' of ', max_attempts, ' was the last'), %(kind)s,
  %(code)s, %(message)s, '', %(fingerprint)s
FROM jobs_job WHERE id = ANY(%(jobs)s::uuid[])
ON CONFLICT DO NOTHING
""")
# A member whose row is locked stays in the batch, which is looked at again in the next sweep.
CLOSE = Statement("""
UPDATE jobs_batch batch SET released = released + %(released)s, failed = failed + %(failed)s,
  finished_at = CASE WHEN NOT EXISTS (
    SELECT FROM jobs_job job
    WHERE job.id = ANY(batch.members) AND job.batch_id = batch.id AND job.state = ANY(%(running)s::text[])
  ) THEN now() END
WHERE id = %(batch)s AND finished_at IS NULL
""")


_NOTIFY = Statement("""
SELECT pg_notify(jobs_channel(%(channel)s), 'job:' || id) FROM unnest(%(jobs)s::uuid[]) AS ended(id)
""")


@dataclass(frozen=True, slots=True)
class Reaped:
    """How many jobs of one batch are queued again, and which died with their worker.

    `blamed` is the failure of the job that ended its worker, where one stood alone; `jobs` are all of them.
    `fallen` ended with the answer of an earlier step of their cascades.
    """

    queued: int = 0
    dead: tuple[EndedJob, ...] = ()
    blamed: Death | None = None
    jobs: Sequence[UUID] = field(default=(), compare=False)
    fallen: tuple[EndedJob, ...] = ()


def any_silent(connection: sa.Connection, stale_s: float) -> bool:
    """Return whether a worker's heartbeat is older than `stale_s` seconds."""
    (silent,) = run(connection, _ANY_SILENT, {"stale_s": stale_s})
    return silent


def end_silent_workers(connection: sa.Connection, stale_s: float) -> list[str]:
    """End every worker whose heartbeat is older than `stale_s` seconds; return their node names."""
    return run(connection, _END_SILENT, {"silent": SILENT, "stale_s": stale_s})


def orphaned_batches(connection: sa.Connection, most: int) -> list[Orphan]:
    """Return open batches whose worker ended, has no row, or does not have them in hand."""
    return run(connection, _ORPHANED, {"most": most})


def reap(connection: sa.Connection, batch: UUID) -> Reaped:
    """Take the batch's running jobs back and close it.

    They run apart from others next time, in halves, and no attempt is charged: any of them may have ended
    the worker. A job that ran alone did end it: its attempt counts, and after the last attempt it is buried.
    Where the worker lives, none of this is so. A job whose row is locked is left for the next time. Jobs that
    a roll-out routed to a candidate go to the stable version, uncharged.
    """
    locked = run(connection, _LOCK, {"batch": batch, "sources": sources(Verb.REAP)})
    died, guilty, failure = _guilt(connection, batch)
    routed = deaths.routed_jobs(connection, batch) if died else {}
    members = [job for job in locked if job.id not in routed]
    dying = [job for job in members if guilty and job.last]
    if guilty:  # before the epochs of jobs that end change
        _note(connection, batch, failure, [job.id for job in members])
    origin = {"batch": str(batch), **failure._asdict()}
    falls = [Fall(job.id, StepEnd.FAILED, origin) for job in dying if job.falls_back]
    fallen = degrade(connection, falls, actor="sweeper")
    dead = [EndedJob(job.id, job.model) for job in dying if job.id not in fallen]
    queued = [job.id for job in members if not (guilty and job.last)]
    _requeue(connection, batch, queued, charged=guilty, apart=died)
    _bury(connection, [job.id for job in dead], failure)
    rescued = [routed[job.id] for job in locked if job.id in routed]
    _rescue(connection, batch, rescued, failure)
    counts = {"released": len(queued) + len(rescued), "failed": len(dead) + len(fallen)}
    run(connection, CLOSE, {"batch": batch, "running": sources(Verb.REAP), **counts})
    if routed:
        deaths.hold_after_death(connection, batch, [job.rollout for job in routed.values()])
    blamed = failure if guilty and members else None
    ended = tuple(EndedJob(job.id, job.model) for job in dying if job.id in fallen)
    return Reaped(len(queued) + len(rescued), tuple(dead), blamed, [job.id for job in locked], ended)


def _rescue(connection: sa.Connection, batch: UUID, jobs: Sequence[deaths.RoutedJob], failure: Death) -> None:
    """Queue a candidate's jobs at the stable version, where they run apart as all jobs after a death."""
    detail = {"batch": str(batch), "kind": failure.kind, "code": failure.code}
    deaths.take_to_stable(connection, jobs, detail)
    isolate(connection, groups_after_death(batch, [job.job for job in jobs]))


def _guilt(connection: sa.Connection, batch: UUID) -> tuple[bool, bool, Death]:
    """Return whether the batch's worker died, whether by one job alone, and how such a job failed."""
    for end in run(connection, _BATCH_END, {"batch": batch}):
        return end.died, end.died and end.alone, _FAILURES.get(end.end_reason, CRASH_FAILURE)
    return False, False, CRASH_FAILURE


def _requeue(
    connection: sa.Connection, batch: UUID, jobs: Sequence[UUID], *, charged: bool, apart: bool
) -> None:
    if not jobs:
        return
    uncharged = 0 if charged else 1
    run(connection, _REQUEUE, {"jobs": jobs, "target": target(Verb.REAP), "uncharged": uncharged})
    if not charged:
        note = {"actor": "sweeper", "batch": str(batch), "code": DIED if apart else "unknown_batch"}
        run(connection, NOTE_TAKEN_BACK, {"jobs": jobs, **note})
    enqueue(connection, dict.fromkeys(jobs, 0.0))
    isolate(connection, groups_after_death(batch, jobs) if apart else {})


def _note(connection: sa.Connection, batch: UUID, failure: Death, jobs: Sequence[UUID]) -> None:
    """Append the charged attempts of jobs to their events, under the epoch that the claim gave them."""
    detail = {"batch": str(batch), **failure._asdict()}
    run(connection, _NOTE, {"jobs": jobs, "detail": json.dumps(detail)})


def _bury(connection: sa.Connection, jobs: Sequence[UUID], failure: Death) -> None:
    if not jobs:
        return
    end_jobs(connection, jobs, State.DEAD, failure.kind, failure.code)
    fingerprint = f"{failure.kind}:{failure.code}:-"
    run(connection, _BURY, {"jobs": jobs, "fingerprint": fingerprint, **failure._asdict()})
    remember(connection, jobs)
    notify_ended(connection, jobs)


def end_jobs(
    connection: sa.Connection, jobs: Sequence[UUID], state: State, kind: FailureKind, code: str
) -> None:
    """End jobs that this transaction has locked."""
    run(connection, _END, {"jobs": jobs, "state": state, "kind": kind, "code": code})


def notify_ended(connection: sa.Connection, jobs: Sequence[UUID]) -> None:
    """Notify those who wait for these jobs, at commit."""
    run(connection, _NOTIFY, {"channel": SETTLED, "jobs": jobs})

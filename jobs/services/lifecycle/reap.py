"""The sweeper's statements: end silent workers, reap their open batches, expire what waited too long.

Jobs are locked first, in id order; their side rows change in later statements of the same transaction,
because a statement's snapshot is older than a lock it waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from jobs.core.channels import SETTLED
from jobs.core.failures import FailureKind
from jobs.core.retry.quarantine import groups_after_death
from jobs.core.states import State, Verb, sources, target
from jobs.db.tables import BATCH, DEAD_LETTER, EVENT, FOLLOWER, JOB, OUTBOX, WORKER
from jobs.services.lifecycle.bury import remember
from jobs.services.lifecycle.enqueue import ENQUEUE, isolate
from jobs.services.lifecycle.worker_row import HUNG, SILENT

CRASH_FAILURE = FailureKind.CRASH, "worker_died", "Running alone, the job ended its worker at every attempt."
HUNG_FAILURE = (
    FailureKind.TIMEOUT,
    "batch_limit",
    "Running alone, the job outlived its limit at every attempt.",
)
DEADLINE_CODE = "deadline"


@dataclass(frozen=True, slots=True)
class Reaped:
    """How many jobs of one batch are queued again, and how many died with their worker."""

    queued: int
    dead: int


def end_silent_workers(connection: sa.Connection, stale_s: float) -> list[str]:
    """End every worker whose heartbeat is older than `stale_s` seconds; return their node names."""
    limit = sa.func.now() - sa.func.make_interval(0, 0, 0, 0, 0, 0, stale_s)
    silent = sa.update(WORKER).where(WORKER.c.ended_at.is_(None), WORKER.c.heartbeat_at < limit)
    ended = silent.values(ended_at=sa.func.now(), end_reason=SILENT).returning(WORKER.c.node)
    return list(connection.scalars(ended))


def orphaned_batches(connection: sa.Connection, most: int) -> list[UUID]:
    """Return open batches of workers that ended, or that there is no row of."""
    alive = sa.exists().where(WORKER.c.id == BATCH.c.worker_id, WORKER.c.ended_at.is_(None))
    orphaned = sa.select(BATCH.c.id).where(BATCH.c.finished_at.is_(None), ~alive).limit(most)
    return list(connection.scalars(orphaned))


def reap(connection: sa.Connection, batch: UUID) -> Reaped:
    """Take the batch's running jobs back and close it.

    They run apart from others next time, in halves, and no attempt is charged: any of them may have ended
    the worker. One that stood alone did it: its attempt counts, and on the last it is buried.
    """
    members = sa.select(sa.func.unnest(BATCH.c.members)).where(BATCH.c.id == batch)
    here = (JOB.c.id.in_(members), JOB.c.batch_id == batch, JOB.c.state.in_(sources(Verb.REAP)))
    # One statement locks them all, in id order; two would cross a settle that is late.
    rows = sa.select(JOB.c.id, JOB.c.attempts >= JOB.c.max_attempts).where(*here)
    locked = list(connection.execute(rows.order_by(JOB.c.id).with_for_update()))
    guilty = _stood_alone(connection, batch)
    dead = [job for job, last in locked if guilty and last]
    queued = [job for job, last in locked if not (guilty and last)]
    failure = HUNG_FAILURE if _was_hung(connection, batch) else CRASH_FAILURE
    if guilty:
        _note(connection, batch, failure, [job for job, _ in locked])
    _requeue(connection, batch, queued, charged=guilty)
    _bury(connection, dead, failure)
    _close(connection, batch, released=len(queued), failed=len(dead))
    return Reaped(len(queued), len(dead))


def _stood_alone(connection: sa.Connection, batch: UUID) -> bool:
    alone = sa.and_(BATCH.c.apart > 0, BATCH.c.size == 1)
    return bool(connection.scalar(sa.select(alone).where(BATCH.c.id == batch)))


def _was_hung(connection: sa.Connection, batch: UUID) -> bool:
    its = sa.select(WORKER.c.end_reason).join(BATCH, BATCH.c.worker_id == WORKER.c.id)
    return connection.scalar(its.where(BATCH.c.id == batch)) == HUNG


def _requeue(connection: sa.Connection, batch: UUID, jobs: Sequence[UUID], *, charged: bool) -> None:
    if not jobs:
        return
    change = {"state": target(Verb.REAP).value, "batch_id": None, "started_at": None}
    _move(connection, jobs, change | {"attempts": JOB.c.attempts - (0 if charged else 1)})
    connection.execute(ENQUEUE, {"jobs": jobs, "delays": [0.0] * len(jobs)})
    isolate(connection, groups_after_death(batch, jobs))


def _move(connection: sa.Connection, jobs: Sequence[UUID], change: Mapping[str, object]) -> None:
    """Change jobs that this transaction has locked."""
    moved = sa.update(JOB).where(JOB.c.id.in_(jobs))
    connection.execute(moved.values(epoch=JOB.c.epoch + 1, **change))


def _note(
    connection: sa.Connection, batch: UUID, failure: tuple[FailureKind, str, str], jobs: Sequence[UUID]
) -> None:
    """Write down the charged attempts of jobs, under the epoch that the claim gave them."""
    names = ("kind", "code", "message")
    detail = {"batch": str(batch), **dict(zip(names, map(str, failure), strict=True))}
    said = sa.literal(detail, pg.JSONB()).concat(sa.func.jsonb_build_object("attempt", JOB.c.attempts))
    what = (sa.literal("failed"), sa.literal("sweeper"), said, sa.func.now())
    rows = sa.select(JOB.c.id, JOB.c.epoch, *what).where(JOB.c.id.in_(jobs))
    connection.execute(
        sa.insert(EVENT).from_select(["job_id", "epoch", "kind", "actor", "detail", "at"], rows)
    )


def _bury(connection: sa.Connection, jobs: Sequence[UUID], failure: tuple[FailureKind, str, str]) -> None:
    if not jobs:
        return
    kind, code, message = failure
    _move(connection, jobs, _ended(State.DEAD, kind, code))
    said = (kind.value, code, message, "", f"{kind}:{code}:-")
    names = ("job_id", "epoch", "queue", "reason", "kind", "code", "message", "traceback", "fingerprint")
    reason = sa.func.concat("attempt ", JOB.c.attempts, " of ", JOB.c.max_attempts, " was the last")
    columns = [JOB.c.id, JOB.c.epoch, JOB.c.queue, reason, *(sa.literal(word) for word in said)]
    letters = pg.insert(DEAD_LETTER).from_select(names, sa.select(*columns).where(JOB.c.id.in_(jobs)))
    connection.execute(letters.on_conflict_do_nothing())
    remember(connection, jobs)
    _tell(connection, jobs)


def _close(connection: sa.Connection, batch: UUID, *, released: int, failed: int) -> None:
    counts = {"released": BATCH.c.released + released, "failed": BATCH.c.failed + failed}
    closed = sa.update(BATCH).where(BATCH.c.id == batch, BATCH.c.finished_at.is_(None))
    connection.execute(closed.values(finished_at=sa.func.now(), **counts))


def overdue_jobs(connection: sa.Connection, most: int) -> list[UUID]:
    """Return waiting jobs whose deadline passed, followers too; of each sort the longest ago first."""
    found: list[UUID] = []
    for waiting in (OUTBOX, FOLLOWER):
        past = sa.select(waiting.c.job_id).where(waiting.c.deadline < sa.func.now())
        found += connection.scalars(past.order_by(waiting.c.deadline).limit(most - len(found)))
    return found


def expire(connection: sa.Connection, jobs: Sequence[UUID]) -> list[UUID]:
    """Expire those of `jobs` that still wait and whose deadline passed; return their ids."""
    waiting = [state for state in sources(Verb.EXPIRE) if state != State.RUNNING]
    here = (JOB.c.id.in_(jobs), JOB.c.state.in_(waiting), JOB.c.deadline < sa.func.now())
    locked = sa.select(JOB.c.id).where(*here).order_by(JOB.c.id).with_for_update()
    expired = list(connection.scalars(locked))
    if expired:
        _move(connection, expired, _ended(target(Verb.EXPIRE), FailureKind.TIMEOUT, DEADLINE_CODE))
        for waiting_row in (OUTBOX, FOLLOWER):
            connection.execute(sa.delete(waiting_row).where(waiting_row.c.job_id.in_(expired)))
        _tell(connection, expired)
    return expired


def _ended(state: State, kind: FailureKind, code: str) -> dict[str, object]:
    return {
        "state": state.value,
        "finished_at": sa.func.now(),
        "error_kind": kind.value,
        "error_code": code,
    }


def _tell(connection: sa.Connection, jobs: Sequence[UUID]) -> None:
    payloads = sa.func.unnest(sa.literal([f"job:{job}" for job in jobs], pg.ARRAY(pg.TEXT())))
    connection.execute(sa.select(sa.func.pg_notify(SETTLED, payloads)))

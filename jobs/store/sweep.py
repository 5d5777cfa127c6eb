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

from jobs.core.failures import FailureKind
from jobs.core.signals import SETTLED
from jobs.core.states import State, Verb, sources, target
from jobs.store.enqueue import ENQUEUE
from jobs.store.tables import BATCH, DEAD_LETTER, JOB, OUTBOX, WORKER

CRASH_CODE = "worker_died"
CRASH_MESSAGE = "The worker died with this job on its last attempt."
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
    ended = silent.values(ended_at=sa.func.now(), end_reason="silent").returning(WORKER.c.node)
    return list(connection.scalars(ended))


def orphaned_batches(connection: sa.Connection, most: int) -> list[UUID]:
    """Return open batches of workers that ended, or that there is no row of."""
    alive = sa.exists().where(WORKER.c.id == BATCH.c.worker_id, WORKER.c.ended_at.is_(None))
    orphaned = sa.select(BATCH.c.id).where(BATCH.c.finished_at.is_(None), ~alive).limit(most)
    return list(connection.scalars(orphaned))


def reap(connection: sa.Connection, batch: UUID) -> Reaped:
    """Take the batch's running jobs back and close it; a job on its last attempt is buried."""
    members = sa.select(sa.func.unnest(BATCH.c.members)).where(BATCH.c.id == batch)
    here = (JOB.c.id.in_(members), JOB.c.batch_id == batch, JOB.c.state.in_(sources(Verb.REAP)))
    # One statement locks them all, in id order; two would cross a settle that is late.
    rows = sa.select(JOB.c.id, JOB.c.attempts >= JOB.c.max_attempts).where(*here)
    locked = list(connection.execute(rows.order_by(JOB.c.id).with_for_update()))
    queued, dead = [job for job, last in locked if not last], [job for job, last in locked if last]
    _requeue(connection, queued)
    _bury(connection, dead)
    _close(connection, batch, released=len(queued), failed=len(dead))
    return Reaped(len(queued), len(dead))


def _requeue(connection: sa.Connection, jobs: Sequence[UUID]) -> None:
    if jobs:
        _move(connection, jobs, {"state": target(Verb.REAP).value, "batch_id": None, "started_at": None})
        connection.execute(ENQUEUE, {"jobs": jobs, "delays": [0.0] * len(jobs)})


def _move(connection: sa.Connection, jobs: Sequence[UUID], change: Mapping[str, object]) -> None:
    """Change jobs that this transaction has locked."""
    moved = sa.update(JOB).where(JOB.c.id.in_(jobs))
    connection.execute(moved.values(epoch=JOB.c.epoch + 1, **change))


def _bury(connection: sa.Connection, jobs: Sequence[UUID]) -> None:
    if not jobs:
        return
    _move(connection, jobs, _ended(State.DEAD, FailureKind.CRASH, CRASH_CODE))
    said = (FailureKind.CRASH.value, CRASH_CODE, CRASH_MESSAGE, "", f"{FailureKind.CRASH}:{CRASH_CODE}:-")
    names = ("job_id", "epoch", "queue", "kind", "code", "message", "traceback", "fingerprint")
    columns = [JOB.c.id, JOB.c.epoch, JOB.c.queue, *(sa.literal(word) for word in said)]
    letters = pg.insert(DEAD_LETTER).from_select(names, sa.select(*columns).where(JOB.c.id.in_(jobs)))
    connection.execute(letters.on_conflict_do_nothing())
    _tell(connection, jobs)


def _close(connection: sa.Connection, batch: UUID, *, released: int, failed: int) -> None:
    counts = {"released": BATCH.c.released + released, "failed": BATCH.c.failed + failed}
    closed = sa.update(BATCH).where(BATCH.c.id == batch, BATCH.c.finished_at.is_(None))
    connection.execute(closed.values(finished_at=sa.func.now(), **counts))


def overdue_jobs(connection: sa.Connection, most: int) -> list[UUID]:
    """Return waiting jobs whose deadline passed, the longest ago first."""
    past = sa.select(OUTBOX.c.job_id).where(OUTBOX.c.deadline < sa.func.now())
    return list(connection.scalars(past.order_by(OUTBOX.c.deadline).limit(most)))


def expire(connection: sa.Connection, jobs: Sequence[UUID]) -> list[UUID]:
    """Expire those of `jobs` that still wait and whose deadline passed; return their ids."""
    waiting = [state for state in sources(Verb.EXPIRE) if state != State.RUNNING]
    here = (JOB.c.id.in_(jobs), JOB.c.state.in_(waiting), JOB.c.deadline < sa.func.now())
    locked = sa.select(JOB.c.id).where(*here).order_by(JOB.c.id).with_for_update()
    expired = list(connection.scalars(locked))
    if expired:
        _move(connection, expired, _ended(target(Verb.EXPIRE), FailureKind.TIMEOUT, DEADLINE_CODE))
        connection.execute(sa.delete(OUTBOX).where(OUTBOX.c.job_id.in_(expired)))
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

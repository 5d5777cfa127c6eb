"""Erase jobs: in one transaction all of their content goes, and a tombstone remains; then their objects go.

A live job is cancelled first, and the new epoch fences off what its worker still sends. An object is named
in a row before its job forgets it, so that a crash between the two leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.ids import first_id_at
from jobs.core.states import TERMINAL
from jobs.db.statement import execute, fetch_all, once_more
from jobs.services.erasure.statements import (
    DELETE_ROWS,
    EMPTY_JOBS,
    EMPTY_PROGRESS,
    LIFETIMES,
    LOCK,
    MARK_OBJECTS,
    Lifetime,
)
from jobs.services.erasure.unwanted_objects import delete_objects
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.lock_job import lock_any_job
from jobs.services.lifecycle.replay import note_all
from jobs.services.lifecycle.unshare import unshare


@dataclass(frozen=True, slots=True)
class ErasedJobs:
    """The jobs that one transaction erased, and the objects that they pointed at."""

    jobs: list[UUID]
    names: list[str]


CLOCK_SKEW = timedelta(minutes=5)  # an id's time is another host's


def erase_job(*, job_id: UUID, actor: str, client_id: int | None = None) -> bool:
    """Erase a job and return whether this call did it; False where it was erased before.

    JobNotFoundError where there is no such job (of `client_id`, if given).
    """

    @transaction.atomic
    def erase() -> list[str] | None:
        job = lock_any_job(job_id, client_id=client_id)
        return None if job.is_erased else erase_locked([job_id], actor=actor).names

    names = once_more(erase)
    if names is None:
        return False
    forget_late_reports([job_id])
    delete_objects(names)
    return True


def erase_locked(jobs: Sequence[UUID], *, actor: str) -> ErasedJobs:
    """Erase those of `jobs` that are not erased yet. Requires a transaction."""
    rows = execute(LOCK, {"jobs": list(jobs)})
    ids = [row.id for row in rows]
    if not ids:
        return ErasedJobs([], [])
    for row in rows:
        if row.state not in TERMINAL:
            cancel_job(job_id=row.id, actor=actor)
    names = execute(MARK_OBJECTS, {"jobs": ids})
    (erased,) = execute(DELETE_ROWS, {"jobs": ids})
    unshare(ids)
    _forget_progress(execute(EMPTY_JOBS, {"jobs": ids}))
    counts = erased._asdict() | {"jobs": len(ids), "objects": len(names)}
    note_all(ids, kind=AuditKind.ERASE, actor=actor, detail=msgspec.json.encode(counts).decode())
    return ErasedJobs(ids, names)


def forget_late_reports(jobs: Sequence[UUID]) -> None:
    """Remove progress that was written while its job was being erased: it waited for the same row."""
    _forget_progress(fetch_all(LIFETIMES, {"jobs": list(jobs)}))


def _forget_progress(lifetimes: Sequence[Lifetime]) -> None:
    for life in lifetimes:
        first, end = life.created_at - CLOCK_SKEW, life.finished_at + CLOCK_SKEW
        window = {"first": first_id_at(_ms(first.timestamp())), "end": first_id_at(_ms(end.timestamp()))}
        execute(EMPTY_PROGRESS, {"job": life.id, **window})


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)

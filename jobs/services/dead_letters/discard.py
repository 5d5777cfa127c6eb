"""Discard dead letters: the jobs stay dead, and no page or command lists them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from django.db import transaction

from jobs.core.errors import WrongStateError
from jobs.db.statement import Statement, execute
from jobs.services.dead_letters.lock_dead import lock_dead
from jobs.services.dead_letters.reads import DeadLetterFilter
from jobs.services.dead_letters.replay_many import chunks, now
from jobs.services.lifecycle.lock_job import lock_job
from jobs.services.lifecycle.replay import note_all

KIND = "discard"
_DISCARD: Statement[None] = Statement(
    "UPDATE jobs_deadletter SET discarded_at = now(), due = NULL WHERE job_id = ANY(%(jobs)s)"
)


def discard_dead_letter(*, job_id: UUID, actor: str) -> None:
    """Discard a job's dead letter; JobNotFoundError, or WrongStateError if it has none that is open."""
    with transaction.atomic():
        lock_job(job_id, client_id=None)
        if not discard_all(lock_dead([job_id]), actor):
            raise WrongStateError("The job has no dead letter that could be discarded.")


def discard_dead_letters(*, selection: DeadLetterFilter, actor: str, most: int) -> int:
    """Discard up to `most` dead letters that match, oldest first, a chunk a transaction; return how many."""
    discarded = 0
    for jobs in chunks(replace(selection, until=selection.until or now()), most=most):
        with transaction.atomic():
            discarded += discard_all(lock_dead(jobs), actor)
    return discarded


def discard_all(dead: Sequence[UUID], actor: str) -> int:
    """Discard the letters of dead jobs that this transaction has locked; return how many."""
    execute(_DISCARD, {"jobs": list(dead)})
    note_all(dead, kind=KIND, actor=actor)
    return len(dead)

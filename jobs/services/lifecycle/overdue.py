"""Waiting jobs whose deadline passed: found along the deadlines from a mark on (WholeLooks), and expired."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.cascades.step_ends import StepEnd
from jobs.core.failures import FailureKind
from jobs.core.job_error import DEADLINE_CODE
from jobs.core.states import State, Verb, sources, target
from jobs.core.whole_looks import WholeLooks
from jobs.db import database_clock
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.cascading.degrade import Fall, degrade, falls_back
from jobs.services.lifecycle.end_times import EndedJob
from jobs.services.lifecycle.enqueue import WITHDRAW
from jobs.services.lifecycle.reap import end_jobs, notify_ended

_OVERDUE: tuple[Statement[UUID], ...] = (
    Statement(
        """
SELECT job_id FROM jobs_outbox WHERE deadline >= to_timestamp(%(since_s)s::float8) AND deadline < now()
ORDER BY deadline LIMIT %(most)s
""",
        UUID,
    ),
    Statement(
        """
SELECT job_id FROM jobs_follower WHERE deadline >= to_timestamp(%(since_s)s::float8) AND deadline < now()
ORDER BY deadline LIMIT %(most)s
""",
        UUID,
    ),
)


class OverdueJobs:
    """Finds the jobs to expire, followers too."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with all deadlines of the past; `clock` returns monotonic seconds."""
        self._clock = clock
        self._wholes = WholeLooks()

    def find(self, session: sa.Connection, most: int) -> list[UUID]:
        """Return up to `most` jobs; of each sort the longest overdue first.

        A job that was queued again past its deadline may lie before the mark, until the next whole look.
        """
        began = self._clock()
        since_s, whole = self._wholes.since_s(began), self._wholes.due(began)
        now_s = database_clock.measure(session)
        overdue: list[UUID] = []
        for statement in _OVERDUE:
            overdue += run(session, statement, {"since_s": since_s, "most": most - len(overdue)})
        if whole and not overdue:
            self._wholes.took(self._clock() - began, began=began)
        if not overdue:
            self._wholes.emptied(now_s)
        return overdue


class _Overdue(NamedTuple):
    id: UUID
    model: str
    falls_back: bool


_LOCK_OVERDUE = Statement(
    f"""
SELECT id, queue AS model, {falls_back("jobs_job.id")} AS falls_back FROM jobs_job
WHERE id = ANY(%(jobs)s::uuid[]) AND state = ANY(%(waiting)s::text[]) AND deadline < now()
ORDER BY id FOR UPDATE SKIP LOCKED
""",  # noqa: S608  # built from our own constants
    _Overdue,
)


class Expired(NamedTuple):
    """Jobs whose deadline passed: those that expired, and those that have the answer of an earlier step."""

    expired: list[EndedJob]
    fallen: list[EndedJob]

    @property
    def all(self) -> list[EndedJob]:
        """Return all that ended."""
        return [*self.expired, *self.fallen]


def expire(connection: sa.Connection, jobs: Sequence[UUID]) -> Expired:
    """Expire those of `jobs` that still wait and whose deadline passed; return them.

    One that waits for a later step of its cascade gets the answer of the step before.
    """
    waiting = [state for state in sources(Verb.EXPIRE) if state != State.RUNNING]
    overdue = run(connection, _LOCK_OVERDUE, {"jobs": jobs, "waiting": waiting})
    falls = [Fall(job.id, StepEnd.EXPIRED) for job in overdue if job.falls_back]
    fallen = degrade(connection, falls, actor="sweeper")
    ended = Expired(
        [EndedJob(job.id, job.model) for job in overdue if job.id not in fallen],
        [EndedJob(job.id, job.model) for job in overdue if job.id in fallen],
    )
    if ids := [job.id for job in ended.expired]:
        end_jobs(connection, ids, target(Verb.EXPIRE), FailureKind.TIMEOUT, DEADLINE_CODE)
        run(connection, WITHDRAW, {"jobs": ids})
        notify_ended(connection, ids)
    return ended

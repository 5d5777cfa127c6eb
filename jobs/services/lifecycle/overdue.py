"""Waiting jobs whose deadline passed, read along the deadlines from a mark on: see WholeLooks."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa

from jobs.core.whole_looks import WholeLooks
from jobs.db import database_clock
from jobs.db.statement import Statement, run

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

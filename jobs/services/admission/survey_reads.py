"""The surveyor's last count, read for a page of metrics on a connection of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from jobs.db.statement import Statement, run


class SurveyedQueue(NamedTuple):
    """A queue as it was `age_s` ago; None where a figure is unknown, and lists by priority."""

    queue: str
    waiting: list[int]
    head_age_s: list[float]
    per_s: float | None
    arrivals_per_s: float | None
    workers: int
    busy: int | None
    silent: int | None
    workers_wanted: int | None
    goal_s: float | None
    dead_letters: int | None
    age_s: float


SURVEYED = Statement(
    """
SELECT queue, waiting, head_age_s, per_s, arrivals_per_s, workers, busy, silent, workers_wanted, goal_s,
    dead_letters, CAST(GREATEST(0, extract(epoch FROM now() - counted_at)) AS double precision) AS age_s
FROM jobs_queuestanding ORDER BY queue
""",
    SurveyedQueue,
)


def read_survey(session: psycopg.Connection[Any]) -> list[SurveyedQueue]:
    """Return every queue at the last count; psycopg.Error."""
    return run(session, SURVEYED)

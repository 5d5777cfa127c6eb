"""The jobs that were published and not yet claimed: how many, and whether any is overdue."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import sqlalchemy as sa

from jobs.db.statement import Statement, run


class InFlight(NamedTuple):
    """Jobs in flight by API priority and client, counted at `now_s`, and when the first of them is due."""

    jobs: Counter[tuple[int, int]]
    now_s: float
    oldest_s: float | None


class Overdue(NamedTuple):
    """Whether a row in flight was due by `now_s`, in the database's seconds since 1970."""

    overdue: bool
    now_s: float


_ANY_OVERDUE = Statement(
    """
SELECT extract(epoch FROM now())::float8 AS now_s, EXISTS (
    SELECT FROM jobs_outbox
    WHERE queue = %(queue)s AND published > 0 AND due >= to_timestamp(%(since_s)s::float8) AND due <= now()
) AS overdue
""",
    Overdue,
)


class _InFlightRow(NamedTuple):
    now_s: float
    priority: int | None
    client: int | None
    jobs: int | None
    oldest_s: float | None


_IN_FLIGHT = Statement(
    """
SELECT extract(epoch FROM now())::float8 AS now_s, flight.* FROM (SELECT) AS one LEFT JOIN (
    SELECT priority, client, count(*) AS jobs, extract(epoch FROM min(due))::float8 AS oldest_s
    FROM jobs_outbox
    WHERE queue = %(queue)s AND published > 0 AND due >= to_timestamp(%(since_s)s::float8)
    GROUP BY priority, client
) AS flight ON true
""",
    _InFlightRow,
)


def in_flight(connection: sa.Connection, queue: str, *, since_s: float = 0.0) -> InFlight:
    """Count the queue's jobs that were published and not yet claimed, by API priority and client.

    Rows that were due before `since_s` are not looked at.
    """
    rows = run(connection, _IN_FLIGHT, {"queue": queue, "since_s": since_s})
    jobs = Counter[tuple[int, int]]()
    oldest_s: list[float] = []
    for row in rows:
        if row.priority is not None and row.client is not None and row.oldest_s is not None:
            jobs[row.priority, row.client] = row.jobs or 0
            oldest_s.append(row.oldest_s)
    return InFlight(jobs, rows[0].now_s, min(oldest_s, default=None))


def any_overdue(connection: sa.Connection, queue: str, *, since_s: float = 0.0) -> Overdue:
    """Return whether a message in flight has outlived its visibility time, later than at `since_s`."""
    (look,) = run(connection, _ANY_OVERDUE, {"queue": queue, "since_s": since_s})
    return look

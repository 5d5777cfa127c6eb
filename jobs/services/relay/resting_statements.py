"""One look at all queues that rest: what may have come to them without a signal.

Each queue costs a few probes of indexes, from its own mark on, so that no look reads what died before it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from jobs.db.statement import Statement, run


class RestingMark(NamedTuple):
    """A queue that rests, and the times, in seconds since 1970, from which on nobody has looked at it."""

    queue: str
    fresh_s: float
    overdue_s: float


class Stirred(NamedTuple):
    """A queue with something in it: overdue messages, dead letters, jobs to publish.

    `due_s` is when the first of these jobs is due, which may be later than now.
    """

    queue: str
    due_s: float | None
    overdue: bool
    dead: bool


class _StirredRow(NamedTuple):
    now_s: float
    queue: str | None
    due_s: float | None
    overdue: bool
    dead: bool


_STIRRED = Statement(
    """
SELECT extract(epoch FROM now())::float8 AS now_s, stirred.queue, stirred.due_s,
    COALESCE(stirred.overdue, false) AS overdue, COALESCE(stirred.dead, false) AS dead
FROM (SELECT) AS one LEFT JOIN (
    SELECT resting.queue, extract(epoch FROM fresh.due)::float8 AS due_s, flight.due IS NOT NULL AS overdue,
        EXISTS (SELECT FROM jobs_deadletter WHERE queue = resting.queue AND due <= now()) AS dead
    FROM unnest(%(queues)s::text[], %(fresh)s::float8[], %(overdue)s::float8[])
        AS resting(queue, fresh_s, overdue_s)
    LEFT JOIN LATERAL (
        SELECT due FROM jobs_outbox
        WHERE queue = resting.queue AND published = 0
            AND due >= LEAST(to_timestamp(resting.fresh_s), now() - make_interval(secs => %(slack_s)s))
        ORDER BY due LIMIT 1
    ) AS fresh ON true
    LEFT JOIN LATERAL (
        SELECT due FROM jobs_outbox
        WHERE queue = resting.queue AND published > 0
            AND due >= to_timestamp(resting.overdue_s) AND due <= now()
        ORDER BY due LIMIT 1
    ) AS flight ON true
) AS stirred ON stirred.due_s IS NOT NULL OR stirred.overdue OR stirred.dead
""",
    _StirredRow,
)


class OldRow(NamedTuple):
    """A queue's group with rows in a slice of the past, or (`published`) that there are rows in flight."""

    queue: str
    priority: int
    client: int
    low_s: float
    published: bool


_OLD = Statement(
    """
SELECT resting.queue, old.* FROM unnest(%(queues)s::text[]) AS resting(queue) CROSS JOIN LATERAL (
    SELECT priority, client, floor(extract(epoch FROM min(due)) * 1000)::float8 / 1000 AS low_s,
        false AS published
    FROM jobs_outbox
    WHERE queue = resting.queue AND published = 0
        AND due >= to_timestamp(%(start_s)s::float8) AND due < to_timestamp(%(end_s)s::float8)
    GROUP BY priority, client
    UNION ALL
    SELECT 0, 0, floor(extract(epoch FROM min(due)) * 1000)::float8 / 1000, true
    FROM jobs_outbox
    WHERE queue = resting.queue AND published > 0
        AND due >= to_timestamp(%(start_s)s::float8) AND due < to_timestamp(%(end_s)s::float8)
    HAVING count(*) > 0
) AS old
""",
    OldRow,
)


def stirred(
    connection: sa.Connection, marks: Collection[RestingMark], *, slack_s: float
) -> tuple[list[Stirred], float]:
    """Return the queues with something in them, and the database's time; the last `slack_s` count always."""
    values = {
        "queues": [mark.queue for mark in marks],
        "fresh": [mark.fresh_s for mark in marks],
        "overdue": [mark.overdue_s for mark in marks],
        "slack_s": slack_s,
    }
    rows = run(connection, _STIRRED, values)
    found = [Stirred(row.queue, row.due_s, row.overdue, row.dead) for row in rows if row.queue is not None]
    return found, rows[0].now_s


def old_rows(
    connection: sa.Connection, queues: Collection[str], *, start_s: float, end_s: float
) -> list[OldRow]:
    """Return what lies in a slice of the past of these queues."""
    return run(connection, _OLD, {"queues": list(queues), "start_s": start_s, "end_s": end_s})

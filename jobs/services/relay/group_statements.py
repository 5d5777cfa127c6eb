"""Which clients have jobs to publish in a queue, at which priority, and since when."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from jobs.core.priority import HIGHEST, LOWEST
from jobs.db.statement import Statement, run


class FreshGroup(NamedTuple):
    """The jobs of one client at one API priority; none was due before `low_s`, in seconds since 1970."""

    priority: int
    client: int
    low_s: float


class FreshGroups(NamedTuple):
    """The groups that are known, and the time from which on jobs of others are looked for."""

    known: Collection[FreshGroup]
    since_s: float


# Along the index from one client to the next: it reads what died, too, and runs once a feeder.
_EVERY_GROUP = Statement(
    """
WITH RECURSIVE who AS (
    SELECT level.priority, first.client FROM unnest(%(priorities)s::smallint[]) AS level(priority)
    CROSS JOIN LATERAL (
        SELECT client FROM jobs_outbox WHERE queue = %(queue)s AND priority = level.priority AND published = 0
        ORDER BY client LIMIT 1
    ) AS first
    UNION ALL
    SELECT who.priority, next.client FROM who CROSS JOIN LATERAL (
        SELECT client FROM jobs_outbox
        WHERE queue = %(queue)s AND priority = who.priority AND client > who.client AND published = 0
        ORDER BY client LIMIT 1
    ) AS next
)
SELECT priority, client, 0::float8 AS low_s FROM who
""",
    FreshGroup,
)


class _FreshGroupRow(NamedTuple):
    now_s: float
    priority: int | None
    client: int | None
    low_s: float | None


_GROUPS = Statement(
    """
WITH who AS MATERIALIZED (
    SELECT priority, client, min(low) AS low FROM (
        SELECT priority, client, to_timestamp(low_s) AS low
        FROM unnest(%(of)s::smallint[], %(whose)s::integer[], %(lows)s::float8[])
            AS known(priority, client, low_s)
        UNION ALL
        SELECT priority, client, min(due) FROM jobs_outbox
        WHERE queue = %(queue)s AND published = 0 AND due <= now()
            AND due > LEAST(to_timestamp(%(since_s)s::float8), now() - make_interval(secs => %(slack_s)s))
        GROUP BY priority, client
    ) AS either GROUP BY priority, client
)
SELECT extract(epoch FROM now())::float8 AS now_s, waiting.* FROM (SELECT) AS one LEFT JOIN (
    SELECT who.priority, who.client, floor(extract(epoch FROM first.due) * 1000)::float8 / 1000 AS low_s
    FROM who CROSS JOIN LATERAL (
        SELECT due FROM jobs_outbox
        WHERE queue = %(queue)s AND priority = who.priority AND client = who.client AND published = 0
            AND due >= LEAST(who.low, now() - make_interval(secs => %(slack_s)s))
        ORDER BY due LIMIT 1
    ) AS first
) AS waiting ON true
""",
    _FreshGroupRow,
)


class OlderRow(NamedTuple):
    """A group with rows in a slice of the past, or (`published`) that there are rows in flight."""

    priority: int
    client: int
    low_s: float
    published: bool


_OLDER = Statement(
    """
SELECT priority, client, floor(extract(epoch FROM min(due)) * 1000)::float8 / 1000 AS low_s,
    false AS published
FROM jobs_outbox
WHERE queue = %(queue)s AND published = 0
    AND due >= to_timestamp(%(start_s)s::float8) AND due < to_timestamp(%(end_s)s::float8)
GROUP BY priority, client
UNION ALL
SELECT 0, 0, floor(extract(epoch FROM min(due)) * 1000)::float8 / 1000, true
FROM jobs_outbox
WHERE queue = %(queue)s AND published > 0
    AND due >= to_timestamp(%(start_s)s::float8) AND due < to_timestamp(%(end_s)s::float8)
HAVING count(*) > 0
""",
    OlderRow,
)


def every_group(connection: sa.Connection, queue: str) -> list[FreshGroup]:
    """Return every group that has jobs to publish, by reading its index from the beginning."""
    return run(connection, _EVERY_GROUP, {"queue": queue, "priorities": list(range(LOWEST, HIGHEST + 1))})


def groups(
    connection: sa.Connection, queue: str, *, known: Collection[FreshGroup], since_s: float, slack_s: float
) -> tuple[list[FreshGroup], float]:
    """Return the groups with jobs to publish, each with its oldest job's time, and the database's time.

    Of `known` groups those that still have jobs; of others those with a job that became due after `since_s`.
    The last `slack_s` seconds are always looked at.
    """
    bounds = {"queue": queue, "since_s": since_s, "slack_s": slack_s}
    rows = run(connection, _GROUPS, {**bounds, **arrays(known)})
    waiting = [
        FreshGroup(row.priority, row.client, row.low_s)
        for row in rows
        if row.priority is not None and row.client is not None and row.low_s is not None
    ]
    return waiting, rows[0].now_s


def older(connection: sa.Connection, queue: str, *, start_s: float, end_s: float) -> list[OlderRow]:
    """Return what lies in a slice of the past: groups with jobs to publish, and rows in flight."""
    return run(connection, _OLDER, {"queue": queue, "start_s": start_s, "end_s": end_s})


def arrays(known: Collection[FreshGroup]) -> dict[str, list[int] | list[float]]:
    """Return the parameters of a statement that begins at the groups' marks."""
    return {
        "of": [group.priority for group in known],
        "whose": [group.client for group in known],
        "lows": [group.low_s for group in known],
    }

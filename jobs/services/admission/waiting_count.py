"""Counts the outbox along its indexes, from the marks of the last count on, and rarely from the beginning.

A transaction that stays open anywhere in the database keeps every dead row. A count from the beginning reads
them all, so it is made rarely where it takes long. In between, each group is counted from its oldest job on,
and groups that came since the last count are found by the time at which their jobs became due.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import LiteralString, NamedTuple

import sqlalchemy as sa

from jobs.core.admission.queue_count import QueueCount, WaitingGroup, counted
from jobs.core.whole_looks import SLACK_S, WholeLooks
from jobs.db.statement import Statement, run
from models_registry.core.refs import SLOW_ENDING


class _WaitingRow(NamedTuple):
    now_s: float
    queue: str
    priority: int
    client: int
    in_flight: bool
    jobs: int
    low_s: float
    head_age_s: float
    ages_s: float
    first: str
    last: str


# A publish and a hold move `due`, so ages are counted from when the wait began.
_FIGURES: LiteralString = """
count(*) AS jobs, extract(epoch FROM min(due))::float8 AS low_s,
    CAST(GREATEST(0, extract(epoch FROM now() - min(since))) AS double precision) AS head_age_s,
    CAST(sum(GREATEST(0, extract(epoch FROM now() - since))) AS double precision) AS ages_s,
    min(CAST(job_id AS text) COLLATE "C") AS first, max(CAST(job_id AS text) COLLATE "C") AS last
"""
_NOW_S: LiteralString = "extract(epoch FROM now())::float8 AS now_s"
_WHOLE = Statement(
    f"""
SELECT {_NOW_S}, queue, priority, client, false AS in_flight, {_FIGURES}
FROM jobs_outbox WHERE published = 0 GROUP BY queue, priority, client
UNION ALL
SELECT {_NOW_S}, queue, priority, client, true, {_FIGURES}
FROM jobs_outbox WHERE published > 0 GROUP BY queue, priority, client
""",  # noqa: S608  # built from constants of this file
    _WaitingRow,
)
_SINCE = Statement(
    f"""
WITH queues AS MATERIALIZED (
    SELECT name FROM models_registry_registeredmodel
    UNION ALL SELECT name || %(slow)s FROM models_registry_registeredmodel
), fresh AS MATERIALIZED (
    SELECT queue, priority, client, min(low) AS low FROM (
        SELECT queue, priority, client, to_timestamp(low_s) AS low
        FROM unnest(%(queues)s::text[], %(priorities)s::smallint[], %(clients)s::integer[],
            %(lows)s::float8[]) AS known(queue, priority, client, low_s)
        UNION ALL
        SELECT queues.name, came.priority, came.client, came.low
        FROM queues CROSS JOIN LATERAL (
            SELECT priority, client, min(due) AS low FROM jobs_outbox
            WHERE queue = queues.name AND published = 0 AND due <= now()
                AND due > LEAST(to_timestamp(%(since_s)s::float8), now() - make_interval(secs => %(slack_s)s))
            GROUP BY priority, client
        ) AS came
    ) AS either GROUP BY queue, priority, client
)
SELECT {_NOW_S}, fresh.queue, fresh.priority, fresh.client, false AS in_flight, waiting.*
FROM fresh CROSS JOIN LATERAL (
    SELECT {_FIGURES} FROM jobs_outbox
    WHERE queue = fresh.queue AND priority = fresh.priority AND client = fresh.client AND published = 0
        AND due >= LEAST(fresh.low, now() - make_interval(secs => %(slack_s)s))
) AS waiting WHERE waiting.jobs > 0
UNION ALL
SELECT {_NOW_S}, queues.name, flight.priority, flight.client, true, jobs, low_s, head_age_s, ages_s,
    first, last
FROM queues CROSS JOIN LATERAL (
    SELECT priority, client, {_FIGURES} FROM jobs_outbox
    WHERE queue = queues.name AND published > 0
        AND due >= LEAST(to_timestamp(%(flight_s)s::float8), now() - make_interval(secs => %(slack_s)s))
    GROUP BY priority, client
) AS flight
""",  # noqa: S608
    _WaitingRow,
)


class WaitingCount:
    """Counts the outbox again and again."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a count from the beginning; `clock` returns monotonic seconds."""
        self._clock = clock
        self._rows: Sequence[_WaitingRow] = ()
        self._now_s = 0.0
        self._wholes = WholeLooks()

    def count(self, session: sa.Connection) -> dict[str, QueueCount]:
        """Count the rows of each queue by priority and client, with their ages."""
        whole = self._wholes.due(self._clock())
        self._rows = self._whole(session) if whole else run(session, _SINCE, self._marks())
        self._now_s = max((row.now_s for row in self._rows), default=self._now_s)
        groups = defaultdict[str, list[WaitingGroup]](list)
        for row in self._rows:
            group = WaitingGroup(
                row.priority, row.client, row.jobs, row.head_age_s, row.ages_s, row.first, row.last
            )
            groups[row.queue].append(group)
        return {queue: counted(rows) for queue, rows in groups.items()}

    def _whole(self, session: sa.Connection) -> list[_WaitingRow]:
        began = self._clock()
        rows = run(session, _WHOLE)
        self._wholes.took(self._clock() - began, began=began)
        return rows

    def _marks(self) -> dict[str, object]:
        fresh = [row for row in self._rows if not row.in_flight]
        return {
            "queues": [row.queue for row in fresh],
            "priorities": [row.priority for row in fresh],
            "clients": [row.client for row in fresh],
            "lows": [row.low_s - 0.001 for row in fresh],
            "flight_s": min((row.low_s for row in self._rows if row.in_flight), default=self._now_s),
            "since_s": self._now_s,
            "slack_s": SLACK_S,
            "slow": SLOW_ENDING,
        }

"""Choose and take in one statement: for a queue in which nothing waited a moment ago, so there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa

from jobs.core.relay.publish_policy import VISIBILITY_CAP_S, VISIBILITY_S
from jobs.db.leases import HELD, fence_of
from jobs.db.session_settings import COMMITS_LATER
from jobs.db.statement import Statement, run
from jobs.services.relay.statements import VISIBILITY, DueRow, TakenRow, in_order

FEW = 32  # jobs; where there are more, their order counts, and the looks of a backlog begin


class _TakenLate(TakenRow, frozen=True, gc=False):
    late_s: float


# The list of keys leaves no plan but probes of the primary key.
_TAKE_FEW = Statement(
    f"""
WITH locked AS MATERIALIZED (
    SELECT job_id, due FROM jobs_outbox
    WHERE queue = %(queue)s AND published = 0 AND due > to_timestamp(%(since_s)s::float8) AND due <= now()
        AND {HELD}
    ORDER BY due LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_outbox AS outbox
SET due = now() + {VISIBILITY}, published = outbox.published + 1, published_at = now()
WHERE outbox.job_id = ANY(ARRAY(SELECT job_id FROM locked)) AND {COMMITS_LATER}
RETURNING outbox.job_id AS job, outbox.epoch, outbox.version_id AS version, outbox.priority, outbox.size,
    outbox.client, outbox.variant, extract(epoch FROM outbox.deadline)::float8 AS deadline,
    outbox.apart, outbox.retry, outbox.traceparent,
    (SELECT extract(epoch FROM now() - locked.due)::float8 FROM locked
     WHERE locked.job_id = outbox.job_id) AS late_s
""",  # noqa: S608  # built from constants
    _TakenLate,
)


def take_few(
    connection: sa.Connection, queue: str, *, since_s: float, held: Mapping[tuple[int, int], int]
) -> list[DueRow]:
    """Take up to FEW rows that became due since a time, in the order in which they are published.

    `held` counts the jobs in flight by priority and client.
    """
    bounds = {"queue": queue, "since_s": since_s, "most": FEW}
    visibility = {"base_s": VISIBILITY_S, "cap_s": VISIBILITY_CAP_S}
    taken = run(connection, _TAKE_FEW, {**bounds, **visibility, **fence_of(connection)})
    turns = Counter(held)
    rows = []
    for row in sorted(taken, key=lambda row: -row.late_s):
        turns[row.priority, row.client] += 1
        rows.append(row.due_row(turns[row.priority, row.client], row.late_s))
    return in_order(rows)

"""Postpone: retries over their version's budget become due later, every one at its own time."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from jobs.core.retry.budget import Postponed
from jobs.db.leases import HELD, fence_of
from jobs.db.statement import Statement, run
from jobs.services.relay.statements import DueRow

# Probes by key only: see the relay's statements.
_POSTPONE: Statement[None] = Statement(f"""
WITH over AS (
    SELECT outbox.job_id
    FROM unnest(%(jobs)s::uuid[], %(epochs)s::integer[]) AS retry(job_id, epoch) CROSS JOIN LATERAL (
        SELECT job_id FROM jobs_outbox WHERE job_id = retry.job_id AND epoch = retry.epoch AND {HELD}
        LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS outbox
)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => (%(delays)s::float8[])[array_position(%(jobs)s::uuid[], job_id)]),
    published = GREATEST(outbox.published - 1, 0)
WHERE outbox.job_id = ANY(ARRAY(SELECT job_id FROM over))
""")  # noqa: S608  # built from a constant


def postpone(connection: sa.Connection, over: Collection[Postponed[DueRow]]) -> None:
    """Make rows due again after their delays, as if they had never been taken for publishing."""
    envelopes = [retry.row.envelope for retry in over]
    parameters = {
        "jobs": [envelope.job for envelope in envelopes],
        "epochs": [envelope.epoch for envelope in envelopes],
        "delays": [retry.delay_s for retry in over],
    }
    run(connection, _POSTPONE, {**parameters, **fence_of(connection)})

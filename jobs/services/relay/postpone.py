"""Postpone: retries over their version's budget become due later, every one at its own time."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from jobs.core.retry.budget import Postponed
from jobs.db.statement import Statement, run
from jobs.services.relay.statements import DueRow

_POSTPONE = Statement("""
WITH over AS (
    SELECT outbox.job_id, retry.delay_s
    FROM unnest(%(jobs)s::uuid[], %(epochs)s::integer[], %(delays)s::float8[])
      AS retry(job_id, epoch, delay_s)
    JOIN jobs_outbox AS outbox USING (job_id, epoch)
    FOR UPDATE OF outbox SKIP LOCKED
)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => over.delay_s), published = GREATEST(outbox.published - 1, 0)
FROM over WHERE outbox.job_id = over.job_id
""")


def postpone(connection: sa.Connection, over: Collection[Postponed[DueRow]]) -> None:
    """Make rows due again after their delays, as if they had never been taken for publishing."""
    envelopes = [retry.row.envelope for retry in over]
    parameters = {
        "jobs": [envelope.job for envelope in envelopes],
        "epochs": [envelope.epoch for envelope in envelopes],
        "delays": [retry.delay_s for retry in over],
    }
    run(connection, _POSTPONE, parameters)

"""Postpone: retries that were taken over their budget become due later, each at a time of its own."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from jobs.core.retry.budget import Postponed
from jobs.services.relay.statements import Taken

_POSTPONE = sa.text("""
WITH over AS (
    SELECT outbox.job_id, given.delay_s
    FROM unnest(CAST(:jobs AS uuid[]), CAST(:epochs AS integer[]), CAST(:delays AS float8[]))
      AS given(job_id, epoch, delay_s)
    JOIN jobs_outbox AS outbox USING (job_id, epoch)
    FOR UPDATE OF outbox SKIP LOCKED
)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => over.delay_s), published = GREATEST(outbox.published - 1, 0)
FROM over WHERE outbox.job_id = over.job_id
""")


def postpone(connection: sa.Connection, over: Collection[Postponed[Taken]]) -> None:
    """Make taken rows due when their delays are over, as if they had not been taken."""
    envelopes = [each.row.envelope for each in over]
    jobs, epochs = [envelope.job for envelope in envelopes], [envelope.epoch for envelope in envelopes]
    values = {"jobs": jobs, "epochs": epochs, "delays": [each.delay_s for each in over]}
    connection.execute(_POSTPONE, values)

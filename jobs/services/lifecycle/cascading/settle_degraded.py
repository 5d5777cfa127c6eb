"""Stores answers that are not enough, where nothing better will come: they are results that are marked so."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import State
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.settle import RULING, Settled, SettledRow, Verdict, arrays

# An answer that was not enough is no answer for the next identical job.
_SETTLE_DEGRADED = Statement(
    f"""{RULING}, stored AS (
  INSERT INTO jobs_jobresult (job_id, keep_days, epoch, body, encoding, degraded)
  SELECT id, keep_days, claim, body, encoding, true FROM settled WHERE state = %(succeeded)s
), forgotten AS (
  DELETE FROM jobs_cacheentry WHERE job_id IN (SELECT id FROM settled)
)
SELECT id, state FROM settled
""",  # noqa: S608  # built from a constant
    SettledRow,
)


def store_degraded(connection: sa.Connection, batch: UUID, verdicts: Sequence[Verdict]) -> list[Settled]:
    """Store verdicts that are answers as degraded results; return what changed. `close` is to follow."""
    rows = run(connection, _SETTLE_DEGRADED, arrays(verdicts, [batch] * len(verdicts)))
    return [Settled(row.id, State(row.state)) for row in rows]

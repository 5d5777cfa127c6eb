"""How a followed job ended, as far as its followers need to know it."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.cascades.step_ends import Hindrance, hindrance_code
from jobs.core.retry.policy import TOO_LATE
from jobs.core.reuse.followers import Leader
from jobs.db.statement import Statement, run


class _Ending(NamedTuple):
    answered: bool
    kind: str
    reason: str
    hurried: bool


# Its deadline decided where it had too little time for the next step, where it passed while the job waited
# for that or ran in it, and where the step failed and had no time for another attempt.
_ENDING = Statement(
    """
SELECT result.job_id IS NOT NULL AS answered, COALESCE(letter.kind, '') AS kind,
  COALESCE(letter.reason, '') AS reason,
  CASE WHEN letter.job_id IS NOT NULL THEN letter.code = %(no_time)s
    WHEN result.degraded THEN COALESCE((
      SELECT step.hindrance = 'no_time' OR step.why = 'expired' FROM jobs_step step
      WHERE step.job_id = %(leader)s ORDER BY step.epoch DESC LIMIT 1
    ), false) OR COALESCE((
      SELECT starts_with(event.detail->>'reason', %(too_late)s) FROM jobs_event event
      WHERE event.job_id = %(leader)s AND event.kind = 'failed' ORDER BY event.id DESC LIMIT 1
    ), false)
    ELSE false END AS hurried
FROM (SELECT) AS one LEFT JOIN jobs_deadletter letter ON letter.job_id = %(leader)s
LEFT JOIN jobs_jobresult result ON result.job_id = %(leader)s
""",
    _Ending,
)


def leader_of(connection: sa.Connection, job: UUID, state: str, max_attempts: int) -> Leader:
    """Return a followed job that this transaction has locked in this state, with its end."""
    values = {"leader": job, "no_time": hindrance_code(Hindrance.NO_TIME), "too_late": TOO_LATE}
    (end,) = run(connection, _ENDING, values)
    return Leader(
        state,
        max_attempts,
        has_result=end.answered,
        kind=end.kind,
        reason=end.reason,
        hurried=end.hurried,
    )

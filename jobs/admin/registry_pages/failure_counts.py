"""How often jobs of a version failed lately, by kind of failure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from jobs.db.statement import Statement, fetch_all


class FailureCount(NamedTuple):
    """Failed attempts of one kind and code, and the last of them."""

    kind: str
    code: str
    attempts: int
    last_at: datetime


# The bound is a number of events, because a table of events has no index by time.
_COUNTS = Statement(
    """
SELECT coalesce(e.detail->>'kind', '') AS kind, coalesce(e.detail->>'code', '') AS code,
  count(*) AS attempts, max(e.at) AS last_at
FROM (SELECT job_id, kind, detail, at FROM jobs_event ORDER BY id DESC LIMIT 20000) e
JOIN jobs_job j ON j.id = e.job_id
WHERE e.kind = 'failed' AND e.at > now() - interval '24 hours' AND j.version_id = %(version)s
GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 50
""",
    FailureCount,
)


def failures_of_a_day(version: int) -> list[FailureCount]:
    """Return the failed attempts of the last 24 hours, of the newest 20,000 events at most."""
    return fetch_all(_COUNTS, {"version": version})

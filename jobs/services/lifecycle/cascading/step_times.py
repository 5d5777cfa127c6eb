"""How long a version's recent jobs took from when they were due until their run ended, in seconds."""

from __future__ import annotations

import time

import sqlalchemy as sa

from jobs.db.statement import Statement, run

RECENT_BATCHES = 2_000  # of all versions; by id from the newest on, because no index knows a version's
FRESH_S = 30.0

_TAKES_S = Statement(
    """
SELECT COALESCE(percentile_disc(0.5) WITHIN GROUP (ORDER BY COALESCE(due_ago_s[1], 0) + ran_s), 0)::float8
  AS takes_s
FROM (
  SELECT version_id, due_ago_s, ran_s FROM jobs_batch ORDER BY id DESC LIMIT %(most)s
) AS recent WHERE version_id = %(version)s AND ran_s IS NOT NULL
""",
    float,
)


class StepTimes:
    """The median times of versions, each read at most every 30 s; of the settle stage's thread."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[int, tuple[float, float]] = {}  # by version: when it was read, seconds

    def takes_s(self, engine: sa.Engine, version: int) -> float:
        """Return how long the next job of `version` is likely to take; 0 where none ran of late."""
        read_at, takes_s = self._known.get(version, (float("-inf"), 0.0))
        if time.monotonic() - read_at >= FRESH_S:
            with engine.begin() as connection:
                (takes_s,) = run(connection, _TAKES_S, {"version": version, "most": RECENT_BATCHES})
            self._known[version] = time.monotonic(), takes_s
        return takes_s

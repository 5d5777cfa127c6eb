"""How long a version's recent jobs took from when they were due until their run ended, in seconds."""

from __future__ import annotations

import logging
import time

import sqlalchemy as sa

from jobs.db.statement import Statement, run

RECENT_BATCHES = 2_000  # of all versions; by id from the newest on, because no index knows a version's
FRESH_S = 30.0
RETRY_S = 1.0

log = logging.getLogger(__name__)

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
        self._known: dict[int, tuple[float, float]] = {}  # by version: when it is due to be read, seconds

    def takes_s(self, engine: sa.Engine, version: int) -> float:
        """Return how long the next job of `version` is likely to take; 0 where none ran of late.

        Where that cannot be read it is what was read last, and the next try is a second later.
        """
        due, takes_s = self._known.get(version, (float("-inf"), 0.0))
        if time.monotonic() < due:
            return takes_s
        wait_s = FRESH_S
        try:
            with engine.begin() as connection:
                (takes_s,) = run(connection, _TAKES_S, {"version": version, "most": RECENT_BATCHES})
        except sa.exc.DBAPIError as error:
            wait_s = RETRY_S
            log.warning("the times of version %d could not be read: %s", version, type(error).__name__)
        self._known[version] = time.monotonic() + wait_s, takes_s
        return takes_s

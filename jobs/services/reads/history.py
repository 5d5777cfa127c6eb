"""Recorded arrivals of a model, newest first: what the simulator and load tests replay.

No index holds a model's jobs, so they are looked for among the newest of all models.
"""

from __future__ import annotations

from jobs.core.simulation.arrivals import Arrival
from jobs.db.statement import Statement, fetch_all

MOST_SCANNED = 5_000_000  # the newest jobs of all models; to read more takes minutes

_JOBS = Statement(
    """
SELECT extract(epoch FROM created_at)::float8 AS at_s, CASE WHEN (
    SELECT v.pads FROM models_registry_modelversion v WHERE v.id = version_id
  ) THEN GREATEST(size, 1) ELSE 1 END AS size, priority,
  client_id AS client, version_id AS version,
  extract(epoch FROM deadline - created_at)::float8 AS deadline_in_s
FROM (SELECT * FROM jobs_job ORDER BY id DESC LIMIT %(scanned)s) AS newest
WHERE queue = %(model)s ORDER BY id DESC LIMIT %(limit)s
""",
    Arrival,
)


def recorded_jobs(model: str, *, limit: int) -> list[Arrival]:
    """Return the model's newest jobs among the `MOST_SCANNED` newest of all, `at_s` as Unix time."""
    return fetch_all(_JOBS, {"model": model, "limit": limit, "scanned": MOST_SCANNED})

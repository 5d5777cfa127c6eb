"""Recorded arrivals and runs of a model, newest first: what the simulator replays and learns from."""

from __future__ import annotations

from typing import NamedTuple

from jobs.core.simulation.arrivals import Arrival
from jobs.db.statement import Statement, fetch_all


class RecordedRun(NamedTuple):
    """A batch that ran: its items, their padded size, and how long they took."""

    version: int
    padded_size: int
    items: int
    ran_s: float


_JOBS = Statement(
    """
SELECT extract(epoch FROM created_at)::float8 AS at_s, CASE WHEN (
    SELECT v.pads FROM models_registry_modelversion v WHERE v.id = version_id
  ) THEN GREATEST(size, 1) ELSE 1 END AS size, priority,
  client_id AS client, version_id AS version,
  extract(epoch FROM deadline - created_at)::float8 AS deadline_in_s
FROM jobs_job WHERE queue = %(model)s ORDER BY id DESC LIMIT %(limit)s
""",
    Arrival,
)
_RUNS = Statement(
    """
SELECT b.version_id AS version, b.padded_size, b.size AS items, b.ran_s
FROM jobs_batch b JOIN models_registry_modelversion v ON v.id = b.version_id
JOIN models_registry_registeredmodel m ON m.id = v.model_id
WHERE m.name = %(model)s AND b.ran_s IS NOT NULL ORDER BY b.id DESC LIMIT %(limit)s
""",
    RecordedRun,
)


def recorded_jobs(model: str, *, limit: int) -> list[Arrival]:
    """Return the model's newest jobs, `at_s` as Unix time."""
    return fetch_all(_JOBS, {"model": model, "limit": limit})


def recorded_runs(model: str, *, limit: int) -> list[RecordedRun]:
    """Return the model's newest batches that ran."""
    return fetch_all(_RUNS, {"model": model, "limit": limit})

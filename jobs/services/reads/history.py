"""What a model's jobs and batches were, newest first: recorded arrivals and runs for the simulator."""

from __future__ import annotations

from typing import LiteralString

from jobs.db.positional import Row, fetch_all

_JOBS: LiteralString = """
SELECT extract(epoch FROM created_at)::float8, size, priority, client_id, version_id,
       extract(epoch FROM deadline - created_at)::float8
FROM jobs_job WHERE queue = %(model)s ORDER BY id DESC LIMIT %(limit)s
"""
_RUNS: LiteralString = """
SELECT b.version_id, b.padded_size, b.size, b.ran_s
FROM jobs_batch b JOIN models_registry_modelversion v ON v.id = b.version_id
JOIN models_registry_registeredmodel m ON m.id = v.model_id
WHERE m.name = %(model)s AND b.ran_s IS NOT NULL ORDER BY b.id DESC LIMIT %(limit)s
"""


def recorded_jobs(model: str, *, limit: int) -> list[Row]:
    """Return submit time (Unix), size, priority, client, version, deadline from then on, of each job."""
    return fetch_all(_JOBS, {"model": model, "limit": limit})


def recorded_runs(model: str, *, limit: int) -> list[Row]:
    """Return version, padded size, items and seconds of each batch that ran."""
    return fetch_all(_RUNS, {"model": model, "limit": limit})

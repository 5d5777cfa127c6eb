"""The GPU workers that have not ended."""

from __future__ import annotations

from jobs.db.statement import Statement, fetch_all

_LIVE = Statement("SELECT node FROM jobs_worker WHERE ended_at IS NULL ORDER BY node", str)


def live_nodes() -> list[str]:
    """Return the Celery node names of the workers that have not ended, whether they still beat or not."""
    return fetch_all(_LIVE)

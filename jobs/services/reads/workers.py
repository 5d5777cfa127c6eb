"""Who works: the nodes of the GPU workers that have not ended."""

from __future__ import annotations

from typing import LiteralString

from jobs.db.positional import fetch_all

_LIVE: LiteralString = "SELECT node FROM jobs_worker WHERE ended_at IS NULL ORDER BY node"


def live_nodes() -> list[str]:
    """Return the Celery node names of the GPU workers that have not ended, whether they still beat or not."""
    return [node for (node,) in fetch_all(_LIVE)]

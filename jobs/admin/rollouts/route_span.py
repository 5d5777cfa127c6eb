"""The routes of the time of a roll-out: ids of jobs begin with their time, so a range of the key has them."""

from __future__ import annotations

from typing import Any, LiteralString

from django.utils import timezone

from jobs.core.ids import first_id_at
from models_registry.models import Rollout

MOST_ROUTES = 100_000
# The newest routes of that time, of all roll-outs: the limit bounds what is read.
ROUTES: LiteralString = """
SELECT job_id, arm, rollout FROM jobs_route WHERE job_id >= %(first)s AND job_id < %(last)s
ORDER BY job_id DESC LIMIT %(routes)s
"""


def span_of(rollout: Rollout) -> dict[str, Any]:
    """Return the parameters of ROUTES, and `rollout`."""
    end = rollout.ended_at or timezone.now()
    first, last = (int(at.timestamp() * 1_000) for at in (rollout.created_at, end))
    return {
        "first": first_id_at(first),
        "last": first_id_at(last + 1_000),
        "routes": MOST_ROUTES,
        "rollout": rollout.pk,
    }

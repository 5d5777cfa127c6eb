"""The jobs that a candidate failed, that the stable version answered instead, or that were taken back."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.utils.safestring import SafeString

from jobs.admin.job_page import badge
from jobs.admin.links import job_link
from jobs.admin.rollouts.rollout_columns import words
from jobs.admin.rollouts.route_span import ROUTES, span_of
from jobs.db.statement import Statement, fetch_all
from models_registry.models import Rollout
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, table

MOST_JOBS = 100


class TroubledJob(NamedTuple):
    """A job of the candidate with what happened to it last: `failed`, `rescue` or `take_back`."""

    id: UUID
    state: str
    what: str
    code: str
    at: datetime


# The events of a job are found by its id; those of a time would have no index.
_TROUBLED = Statement(
    f"""
SELECT j.id, j.state, e.kind AS what, coalesce(e.detail->>'code', '') AS code, e.at
FROM ({ROUTES}) t JOIN jobs_job j ON j.id = t.job_id
CROSS JOIN LATERAL (
  SELECT kind, detail, at FROM jobs_event
  WHERE job_id = j.id AND kind IN ('failed', 'rescue', 'take_back') ORDER BY at DESC, id DESC LIMIT 1
) e
WHERE t.rollout = %(rollout)s AND t.arm = 'candidate'
  AND (j.version_id <> %(candidate)s OR j.state IN ('dead', 'waiting'))
ORDER BY e.at DESC LIMIT %(most)s
""",  # noqa: S608  # built from our own constants
    TroubledJob,
)


def troubled_jobs(rollout: Rollout) -> SafeString | str:
    """Return the newest such jobs as links to their pages."""
    values = {**span_of(rollout), "candidate": rollout.candidate_id, "most": MOST_JOBS}
    rows = [
        (job_link(row.id), badge(row.state), words(row.what), row.code or NONE, moment(row.at))
        for row in fetch_all(_TROUBLED, values)
    ]
    return table(("job", "state", "what", "code", "when"), rows) if rows else "none"

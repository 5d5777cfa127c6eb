"""Webhooks that are to be sent: armed once their job has ended, and handed out until an attempt is made."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import TERMINAL

LOST_S = 60.0  # after so long a task that nobody began is asked for again; longer each time
_DOUBLINGS = 6

_ARM = """
UPDATE jobs_delivery delivery SET due = now(), epoch = job.epoch
FROM jobs_job job
WHERE delivery.job_id = job.id AND delivery.job_id IN ({which}) AND delivery.state = 'waiting'
  AND delivery.due IS NULL AND job.state = ANY(CAST(:ended AS text[]))
"""
_TOLD = sa.text(
    _ARM.format(
        which="""
  SELECT unnest(CAST(:jobs AS uuid[]))
  UNION SELECT unnest(members) FROM jobs_batch WHERE id = ANY(CAST(:batches AS uuid[]))
"""
    )
)
_THESE = sa.text(_ARM.format(which="SELECT unnest(CAST(:jobs AS uuid[]))"))
_ANY = sa.text("SELECT EXISTS (SELECT FROM jobs_delivery WHERE state = 'waiting' AND due IS NULL)")
_NOT_ENDED = sa.text("""
SELECT job_id FROM jobs_delivery
WHERE state = 'waiting' AND due IS NULL AND job_id > :after ORDER BY job_id LIMIT :most
""")
_TAKE = sa.text("""
WITH taken AS (
  SELECT job_id FROM jobs_delivery WHERE due <= now() ORDER BY due LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE jobs_delivery delivery
SET sent = sent + 1, due = now() + make_interval(secs => :lost_s * 2 ^ LEAST(sent, :doublings))
FROM taken WHERE delivery.job_id = taken.job_id
RETURNING delivery.job_id, delivery.attempts
""")


def arm(session: sa.Connection, *, jobs: Collection[UUID], batches: Collection[UUID]) -> None:
    """Make the webhooks of those of `jobs` and of the members of `batches` due that have ended."""
    if session.scalar(_ANY):
        session.execute(_TOLD, {"jobs": list(jobs), "batches": list(batches), "ended": sorted(TERMINAL)})


def arm_next(session: sa.Connection, *, after: UUID, most: int) -> UUID | None:
    """Look at up to `most` webhooks of jobs beyond `after`; return the last, None where no more are left."""
    jobs = list(session.scalars(_NOT_ENDED, {"after": after, "most": most}))
    if jobs:
        session.execute(_THESE, {"jobs": jobs, "ended": sorted(TERMINAL)})
    return jobs[-1] if len(jobs) == most else None


def take(session: sa.Connection, most: int) -> list[tuple[UUID, int]]:
    """Return up to `most` webhooks that are due, each with its attempts until now, and put them off."""
    values = {"most": most, "lost_s": LOST_S, "doublings": _DOUBLINGS}
    return [(job, attempts) for job, attempts in session.execute(_TAKE, values)]

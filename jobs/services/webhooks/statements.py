"""Webhooks to be sent: armed once their job has ended, and taken again and again until an attempt is made."""

from __future__ import annotations

from collections.abc import Collection
from typing import LiteralString
from uuid import UUID

import sqlalchemy as sa

from jobs.broker.webhook_task import WebhookAttempt
from jobs.core.states import TERMINAL
from jobs.db.statement import Statement, run

LOST_S = 60.0  # a task that has not begun by then is sent again; this doubles with every time
_DOUBLINGS = 6


def _arm(jobs: LiteralString) -> LiteralString:
    return f"""
UPDATE jobs_delivery delivery SET due = now(), epoch = job.epoch
FROM jobs_job job
WHERE delivery.job_id = job.id AND delivery.job_id IN ({jobs}) AND delivery.state = 'waiting'
  AND delivery.due IS NULL AND job.state = ANY(%(ended)s::text[])
"""  # noqa: S608  # built from constants of this file


_ARM_ENDED = Statement(
    _arm("""
  SELECT unnest(%(jobs)s::uuid[])
  UNION SELECT unnest(members) FROM jobs_batch WHERE id = ANY(%(batches)s::uuid[])
""")
)
_ARM_THESE = Statement(_arm("SELECT unnest(%(jobs)s::uuid[])"))
_ANY = Statement("SELECT EXISTS (SELECT FROM jobs_delivery WHERE state = 'waiting' AND due IS NULL)", bool)
_NOW_S = Statement("SELECT extract(epoch FROM now())::float8", float)
_NOT_ENDED = Statement(
    """
SELECT job_id FROM jobs_delivery
WHERE state = 'waiting' AND due IS NULL AND job_id > %(after)s ORDER BY job_id LIMIT %(most)s
""",
    UUID,
)
_TAKE = Statement(
    """
WITH taken AS (
  SELECT job_id FROM jobs_delivery WHERE due >= to_timestamp(%(since_s)s::float8) AND due <= now()
  ORDER BY due LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_delivery delivery
SET sent = sent + 1, due = now() + make_interval(secs => %(lost_s)s * 2 ^ LEAST(sent, %(doublings)s))
FROM taken WHERE delivery.job_id = taken.job_id
RETURNING delivery.job_id AS job, delivery.attempts AS attempts_before
""",
    WebhookAttempt,
)


def any_waits(session: sa.Connection) -> bool:
    """Return whether the webhook of any job that has not ended waits."""
    (waits,) = run(session, _ANY)
    return waits


def arm(session: sa.Connection, *, jobs: Collection[UUID], batches: Collection[UUID]) -> None:
    """Make the webhooks due of those of `jobs` and of the members of `batches` that have ended."""
    run(session, _ARM_ENDED, {"jobs": list(jobs), "batches": list(batches), "ended": sorted(TERMINAL)})


def arm_next(session: sa.Connection, *, after: UUID, most: int) -> UUID | None:
    """Look at up to `most` webhooks of jobs beyond `after`; return the last job, None where none remains."""
    jobs = run(session, _NOT_ENDED, {"after": after, "most": most})
    if jobs:
        run(session, _ARM_THESE, {"jobs": jobs, "ended": sorted(TERMINAL)})
    return jobs[-1] if len(jobs) == most else None


def take(session: sa.Connection, most: int, *, since_s: float = 0.0) -> list[WebhookAttempt]:
    """Return up to `most` webhooks that are due, and postpone them; none that was due before `since_s`."""
    return run(session, _TAKE, {"most": most, "since_s": since_s, "lost_s": LOST_S, "doublings": _DOUBLINGS})


def now_s(session: sa.Connection) -> float:
    """Return the database's time in seconds since 1970."""
    (seconds,) = run(session, _NOW_S)
    return seconds

"""Whose payloads are needed beyond their day, and the default partitions in which those stand."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from jobs.core.retention.partition_sql import class_of
from jobs.core.retention.policy import Window, oldest_kept
from jobs.core.states import TERMINAL
from jobs.db.session import transaction

COUNTED = 1_000_000

# A job that has not ended has a row in one of these, or is one of an open batch's.
_LIVE = sa.text("""
SELECT job.id FROM jobs_job job JOIN (
  SELECT job_id FROM jobs_outbox WHERE job_id >= :first AND job_id < :end
  UNION SELECT job_id FROM jobs_follower WHERE job_id >= :first AND job_id < :end
  UNION SELECT job_id FROM jobs_deadletter
    WHERE job_id >= :first AND job_id < :end AND discarded_at IS NULL
  UNION SELECT member FROM jobs_batch CROSS JOIN LATERAL unnest(members) AS member
    WHERE finished_at IS NULL AND member >= :first AND member < :end
) AS live ON live.job_id = job.id
WHERE job.keep_days = :keep_days ORDER BY job.id LIMIT :most
""")
# Jobs first, as everybody locks them: who is about to replay one holds it.
_LOCK = """
SELECT job.id FROM {table} AS payload JOIN jobs_job job ON job.id = payload.job_id
WHERE job.state = ANY(CAST(:ended AS text[]))
  AND job.finished_at < now() - make_interval(days => payload.keep_days)
  AND NOT EXISTS (SELECT FROM jobs_deadletter letter
    WHERE letter.job_id = job.id AND letter.discarded_at IS NULL)
ORDER BY job.id LIMIT :most FOR UPDATE OF job SKIP LOCKED
"""
_DELETE = """
DELETE FROM {table} AS payload USING jobs_job job
WHERE payload.job_id = ANY(CAST(:jobs AS uuid[])) AND job.id = payload.job_id
  AND job.state = ANY(CAST(:ended AS text[]))
"""
_COUNT = """
SELECT count(*) FILTER (WHERE job_id >= :oldest), count(*) FILTER (WHERE job_id < :oldest)
FROM (SELECT job_id FROM {table} LIMIT :most) AS payload
"""


def live(connection: sa.Connection, window: Window, *, most: int) -> list[UUID]:
    """Return up to `most` jobs of a window that have not ended, or are dead with a letter that counts."""
    values = {"first": window.first_id, "end": window.end_id, "keep_days": window.keep_days, "most": most}
    return list(connection.scalars(_LIVE, values))


def forget(connection: sa.Connection, table: str, keep_days: int, *, most: int) -> int:
    """Delete up to `most` rows of a class's default partition whose jobs ended long enough ago."""
    leaf = f"{class_of(table, keep_days)}_other"
    ended = sorted(TERMINAL)
    with transaction(connection):
        jobs = list(connection.scalars(sa.text(_LOCK.format(table=leaf)), {"ended": ended, "most": most}))
        if not jobs:
            return 0
        gone = connection.execute(sa.text(_DELETE.format(table=leaf)), {"ended": ended, "jobs": jobs})
        return gone.rowcount


def astray(connection: sa.Connection, table: str, keep_days: int, now_ms: int) -> tuple[int, int]:
    """Count a class's default partition: rows whose day lacks a partition, and rows that outlived theirs."""
    leaf = f"{class_of(table, keep_days)}_other"
    values = {"oldest": oldest_kept(keep_days, now_ms), "most": COUNTED}
    misplaced, outlived = connection.execute(sa.text(_COUNT.format(table=leaf)), values).one()
    return misplaced, outlived


def unclassed(connection: sa.Connection, table: str) -> int:
    """Count the rows of classes that have no partition."""
    values = {"oldest": UUID(int=0), "most": COUNTED}
    return int(connection.execute(sa.text(_COUNT.format(table=f"{table}_other")), values).one()[0])

"""Payloads that are needed beyond their day, and the default partitions that hold them."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.retention.partition_sql import class_of
from jobs.core.retention.policy import Window, oldest_kept
from jobs.core.states import TERMINAL
from jobs.db.session import transaction
from jobs.db.statement import Statement, count, run

COUNTED = 1_000_000


class _Strays(NamedTuple):
    """Rows of a default partition: of days that lack a partition, and of days that are over."""

    misplaced: int
    outlived: int


# A job that has not ended has a row in one of the side tables, or is a member of an open batch.
_LIVE = Statement(
    """
SELECT job.id FROM jobs_job job JOIN (
  SELECT job_id FROM jobs_outbox WHERE job_id >= %(first)s AND job_id < %(end)s
  UNION SELECT job_id FROM jobs_follower WHERE job_id >= %(first)s AND job_id < %(end)s
  UNION SELECT job_id FROM jobs_deadletter
    WHERE job_id >= %(first)s AND job_id < %(end)s AND discarded_at IS NULL
  UNION SELECT member FROM jobs_batch CROSS JOIN LATERAL unnest(members) AS member
    WHERE finished_at IS NULL AND member >= %(first)s AND member < %(end)s
) AS live ON live.job_id = job.id
WHERE job.keep_days = %(keep_days)s ORDER BY job.id LIMIT %(most)s
""",
    UUID,
)
# Jobs are locked first, as all statements do: a replay holds its job.
_LOCK = """
SELECT job.id FROM {table} AS payload JOIN jobs_job job ON job.id = payload.job_id
WHERE job.state = ANY(%(ended)s::text[])
  AND job.finished_at < now() - make_interval(days => payload.keep_days)
  AND NOT EXISTS (SELECT FROM jobs_deadletter letter
    WHERE letter.job_id = job.id AND letter.discarded_at IS NULL)
ORDER BY job.id LIMIT %(most)s FOR UPDATE OF job SKIP LOCKED
"""
_DELETE = """
DELETE FROM {table} AS payload USING jobs_job job
WHERE payload.job_id = ANY(%(jobs)s::uuid[]) AND job.id = payload.job_id
  AND job.state = ANY(%(ended)s::text[])
"""
# A key outlives no payload: it would open the copies in backups.
_DELETE_KEYS: Statement[None] = Statement("DELETE FROM jobs_jobkey WHERE job_id = ANY(%(jobs)s::uuid[])")
_DELETE_KEYS_OF_WINDOW: Statement[None] = Statement("""
DELETE FROM jobs_jobkey WHERE job_id = ANY(ARRAY(
  SELECT key.job_id FROM jobs_jobkey key JOIN jobs_job job ON job.id = key.job_id
  WHERE key.job_id >= %(first)s AND key.job_id < %(end)s AND job.keep_days = %(keep_days)s
    AND NOT EXISTS (SELECT FROM jobs_jobinput input
      WHERE input.job_id = key.job_id AND input.keep_days = %(keep_days)s)
  LIMIT %(most)s
))
""")
_COUNT = """
SELECT count(*) FILTER (WHERE job_id >= %(oldest)s) AS misplaced,
  count(*) FILTER (WHERE job_id < %(oldest)s) AS outlived
FROM (SELECT job_id FROM {table} LIMIT %(most)s) AS payload
"""


def live(session: sa.Connection, window: Window, *, most: int) -> list[UUID]:
    """Return up to `most` jobs of a window that have not ended, or are dead with an open letter."""
    values = {"first": window.first_id, "end": window.end_id, "keep_days": window.keep_days, "most": most}
    return run(session, _LIVE, values)


def forget(session: sa.Connection, table: str, keep_days: int, *, most: int) -> int:
    """Delete up to `most` rows of a class's default partition whose jobs ended long enough ago."""
    leaf, ended = f"{class_of(table, keep_days)}_other", sorted(TERMINAL)
    with transaction(session):
        jobs = run(session, Statement(_LOCK.format(table=leaf), UUID), {"ended": ended, "most": most})
        if not jobs:
            return 0
        delete: Statement[None] = Statement(_DELETE.format(table=leaf))
        count(session, _DELETE_KEYS, {"jobs": jobs})
        return count(session, delete, {"ended": ended, "jobs": jobs})


def forget_keys(session: sa.Connection, window: Window, *, most: int) -> int:
    """Delete up to `most` keys of jobs of a window whose inputs are gone; return how many."""
    values = {"first": window.first_id, "end": window.end_id, "keep_days": window.keep_days, "most": most}
    return count(session, _DELETE_KEYS_OF_WINDOW, values)


def astray(session: sa.Connection, table: str, keep_days: int, now_ms: int) -> tuple[int, int]:
    """Count a class's default partition: rows whose day lacks a partition, and rows that outlived theirs."""
    strays = _count(session, f"{class_of(table, keep_days)}_other", oldest_kept(keep_days, now_ms))
    return strays.misplaced, strays.outlived


def unclassed(session: sa.Connection, table: str) -> int:
    """Count the rows of classes that have no partition."""
    return _count(session, f"{table}_other", UUID(int=0)).misplaced


def _count(session: sa.Connection, leaf: str, oldest: UUID) -> _Strays:
    statement = Statement(_COUNT.format(table=leaf), _Strays)
    (strays,) = run(session, statement, {"oldest": oldest, "most": COUNTED})
    return strays

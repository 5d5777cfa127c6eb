"""Cache entries: which job answers or leads the requests of a key, and how entries of no use are deleted.

An entry is only a pointer, and the state of its job decides what the entry is worth. So nothing is written
here when a job ends. An entry of an old version is never found again, because its key holds the version.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import Verb, sources, target
from jobs.db.statement import Statement, run

AGAIN_S = 60.0  # how often an entry of a job in flight is looked at


class LiveLeader(NamedTuple):
    """The live job that an entry names."""

    job: UUID
    priority: int


class _EntryRow(NamedTuple):
    job: UUID | None
    priority: int | None


_LEADER = Statement(
    """
SELECT job.id AS job, job.priority FROM jobs_cacheentry entry LEFT JOIN jobs_job job
  ON job.id = entry.job_id AND job.id <> %(leader)s AND job.state = ANY(%(live)s::text[])
WHERE entry.key = %(key)s FOR UPDATE OF entry
""",
    _EntryRow,
)

_APPOINT = Statement("""
INSERT INTO jobs_cacheentry (key, job_id, version_id, ttl_s, expires_at)
SELECT %(key)s, id, version_id, 0, now() FROM jobs_job WHERE id = %(heir)s
ON CONFLICT (key) DO UPDATE SET job_id = excluded.job_id
""")


class SweptEntries(NamedTuple):
    """How many entries' time had come, and how many of them were deleted."""

    looked_at: int
    deleted: int


_SWEEP = Statement(
    """
WITH due AS (
  SELECT key FROM jobs_cacheentry WHERE expires_at <= now() ORDER BY expires_at LIMIT %(most)s
  FOR UPDATE SKIP LOCKED
), seen AS (
  SELECT entry.key, CASE
    WHEN job.state = ANY(%(live)s::text[]) THEN now() + make_interval(secs => %(again_s)s)
    WHEN job.state = %(succeeded)s AND job.finished_at + make_interval(secs => entry.ttl_s) > now()
      THEN job.finished_at + make_interval(secs => entry.ttl_s) END AS until
  FROM due JOIN jobs_cacheentry entry USING (key) LEFT JOIN jobs_job job ON job.id = entry.job_id
), deleted AS (
  DELETE FROM jobs_cacheentry entry USING seen WHERE entry.key = seen.key AND seen.until IS NULL
), postponed AS (
  UPDATE jobs_cacheentry entry SET expires_at = seen.until FROM seen
  WHERE entry.key = seen.key AND seen.until IS NOT NULL
)
SELECT count(*) AS looked_at, count(*) FILTER (WHERE until IS NULL) AS deleted FROM seen
""",
    SweptEntries,
)


_ANY_EXPIRED = Statement("SELECT EXISTS (SELECT FROM jobs_cacheentry WHERE expires_at <= now())", bool)


def any_expired(connection: sa.Connection) -> bool:
    """Return whether the time of any entry has come."""
    (expired,) = run(connection, _ANY_EXPIRED)
    return expired


def other_leader(connection: sa.Connection, key: bytes, *, than: UUID) -> LiveLeader | None:
    """Lock the entry of `key` and return the live job that it names, if that is another."""
    parameters = {"key": key, "leader": than, "live": sources(Verb.CANCEL)}
    for row in run(connection, _LEADER, parameters):
        if row.job is not None and row.priority is not None:
            return LiveLeader(row.job, row.priority)
    return None


def appoint(connection: sa.Connection, key: bytes, heir: UUID) -> None:
    """Make `heir` the job that identical requests find under `key`."""
    run(connection, _APPOINT, {"key": key, "heir": heir})


def sweep_entries(connection: sa.Connection, most: int) -> SweptEntries:
    """Look at up to `most` entries whose time has come; those of no use are deleted."""
    parameters = {
        "most": most,
        "live": sources(Verb.CANCEL),
        "again_s": AGAIN_S,
        "succeeded": target(Verb.ANSWER),
    }
    (swept,) = run(connection, _SWEEP, parameters)
    return swept

"""Cache entries: which job answers or leads the requests of a key, and how entries of no use go.

An entry is only a pointer: what it is worth is the state of the job that it names. So nothing is written
here when a job ends, and an entry of an old version is never found again, because its key holds the version.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import Verb, sources, target

AGAIN_S = 60.0  # an entry of a job in flight is looked at so often

_LEADER = sa.text("""
SELECT job.id, job.priority FROM jobs_cacheentry entry LEFT JOIN jobs_job job
  ON job.id = entry.job_id AND job.id <> :leader AND job.state = ANY(CAST(:live AS text[]))
WHERE entry.key = :key FOR UPDATE OF entry
""")

_APPOINT = sa.text("""
INSERT INTO jobs_cacheentry (key, job_id, version_id, ttl_s, expires_at)
SELECT :key, id, version_id, 0, now() FROM jobs_job WHERE id = :heir
ON CONFLICT (key) DO UPDATE SET job_id = excluded.job_id
""")

_SWEEP = sa.text("""
WITH due AS (
  SELECT key FROM jobs_cacheentry WHERE expires_at <= now() ORDER BY expires_at LIMIT :most
  FOR UPDATE SKIP LOCKED
), seen AS (
  SELECT entry.key, CASE
    WHEN job.state = ANY(CAST(:live AS text[])) THEN now() + make_interval(secs => :again_s)
    WHEN job.state = :succeeded AND job.finished_at + make_interval(secs => entry.ttl_s) > now()
      THEN job.finished_at + make_interval(secs => entry.ttl_s) END AS until
  FROM due JOIN jobs_cacheentry entry USING (key) LEFT JOIN jobs_job job ON job.id = entry.job_id
), gone AS (
  DELETE FROM jobs_cacheentry entry USING seen WHERE entry.key = seen.key AND seen.until IS NULL
), kept AS (
  UPDATE jobs_cacheentry entry SET expires_at = seen.until FROM seen
  WHERE entry.key = seen.key AND seen.until IS NOT NULL
)
SELECT count(*), count(*) FILTER (WHERE until IS NULL) FROM seen
""")


@dataclass(frozen=True, slots=True)
class Named:
    """The live job that an entry names."""

    job: UUID
    priority: int


def other_leader(connection: sa.Connection, key: bytes, *, than: UUID) -> Named | None:
    """Lock the entry of `key` and return the live job that it names, if that is another."""
    values = {"key": key, "leader": than, "live": sources(Verb.CANCEL)}
    row = connection.execute(_LEADER, values).one_or_none()
    return Named(row.id, row.priority) if row and row.id else None


def appoint(connection: sa.Connection, key: bytes, heir: UUID) -> None:
    """Make `heir` the job that identical requests find under `key`."""
    connection.execute(_APPOINT, {"key": key, "heir": heir})


def sweep_entries(connection: sa.Connection, most: int) -> tuple[int, int]:
    """Look at up to `most` entries whose time has come; return how many there were, and how many went."""
    values = {
        "most": most,
        "live": sources(Verb.CANCEL),
        "again_s": AGAIN_S,
        "succeeded": target(Verb.ANSWER).value,
    }
    looked_at, gone = connection.execute(_SWEEP, values).one()
    return looked_at, gone

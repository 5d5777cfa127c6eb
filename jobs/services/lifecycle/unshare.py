"""Unshare: a job whose input changes stands no longer for the requests that equal its first one."""

from __future__ import annotations

from uuid import UUID, uuid4

from jobs.core.channels import SETTLED
from jobs.db.statement import Statement, execute

# A leader without a row has ended without an answer: the follower settler lets the first follower lead.
_UNSHARE = Statement("""
WITH entry AS (
  DELETE FROM jobs_cacheentry WHERE job_id = %(job)s
), follower AS (
  UPDATE jobs_follower SET leader = %(nobody)s WHERE leader = %(job)s RETURNING job_id
)
SELECT pg_notify(jobs_channel(%(channel)s), 'job:' || %(nobody)s::uuid) WHERE EXISTS (SELECT FROM follower)
""")


def unshare(job: UUID) -> None:
    """Delete the cache entry that names a job which this transaction has locked, and let its followers go.

    Else the answer to its new input would be served for the old one.
    """
    execute(_UNSHARE, {"job": job, "nobody": uuid4(), "channel": SETTLED})

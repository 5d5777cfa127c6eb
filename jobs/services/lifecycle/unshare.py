"""Unshare: a job whose input or version changes no longer stands for requests that equal its first one."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from jobs.core.channels import SETTLED
from jobs.db.statement import Statement, execute

# A leader without a row has ended without an answer: the follower settler lets the first follower lead.
_UNSHARE = Statement("""
WITH entry AS (
  DELETE FROM jobs_cacheentry WHERE job_id = ANY(%(jobs)s::uuid[])
), follower AS (
  UPDATE jobs_follower SET leader = %(nobody)s WHERE leader = ANY(%(jobs)s::uuid[]) RETURNING job_id
)
SELECT pg_notify(jobs_channel(%(channel)s), 'job:' || %(nobody)s::uuid) WHERE EXISTS (SELECT FROM follower)
""")


def unshare(jobs: Sequence[UUID]) -> None:
    """Delete the cache entries that name jobs which this transaction has locked, and let their followers go.

    Else the answer to a job's new input, or of its new version, would be served for the old one.
    """
    execute(_UNSHARE, {"jobs": list(jobs), "nobody": uuid4(), "channel": SETTLED})

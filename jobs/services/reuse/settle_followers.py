"""The followers of jobs that ended: answered, buried or led anew, a bounded chunk a transaction.

No settle writes here. A follower's row stays until its job has ended or runs, so whoever dies in between
leaves it to be found again. Jobs are locked first, the leader among them, in id order; then the cache entry.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from jobs.core.channels import SETTLED
from jobs.core.reuse.followers import FollowerFate, Leader, fate
from jobs.core.states import TERMINAL, State, Verb, target
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle.enqueue import ENQUEUE
from jobs.services.reuse.cache import appoint, other_leader

MOST = 500

_TOLD = sa.text("""
WITH suspect AS (
  SELECT unnest(CAST(:jobs AS uuid[])) AS id
  UNION SELECT unnest(members) FROM jobs_batch WHERE id = ANY(CAST(:batches AS uuid[]))
)
SELECT id FROM suspect WHERE EXISTS (SELECT FROM jobs_follower)
  AND EXISTS (SELECT FROM jobs_follower follower WHERE follower.leader = suspect.id)
""")

# From leader to leader along the index, not over every follower.
_LEADERS = sa.text("""
WITH RECURSIVE leader AS (
  (SELECT leader AS id, 1 AS number FROM jobs_follower WHERE leader > :after ORDER BY leader LIMIT 1)
  UNION ALL
  SELECT (SELECT leader FROM jobs_follower WHERE leader > leader_.id ORDER BY leader LIMIT 1), number + 1
  FROM leader AS leader_ WHERE leader_.id IS NOT NULL AND number < :most
)
SELECT leader.id, job.state IS NULL OR job.state = ANY(CAST(:ended AS text[])) AS ended
FROM leader LEFT JOIN jobs_job job ON job.id = leader.id
WHERE leader.id IS NOT NULL ORDER BY leader.id
""")

_FOLLOWERS = sa.text("""
SELECT job_id, key FROM jobs_follower WHERE leader = :leader ORDER BY priority DESC, job_id LIMIT :most
""")

_LOCK = sa.text("""
SELECT id, state, epoch, priority, max_attempts, deadline <= now() AS late FROM jobs_job
WHERE id = ANY(CAST(:jobs AS uuid[])) ORDER BY id FOR UPDATE
""")

_HOW_IT_ENDED = sa.text("""
SELECT EXISTS (SELECT FROM jobs_jobresult WHERE job_id = :leader), letter.kind, letter.reason
FROM (SELECT) AS one LEFT JOIN jobs_deadletter letter ON letter.job_id = :leader
""")

_LEAVE = sa.text("DELETE FROM jobs_follower WHERE job_id = ANY(CAST(:jobs AS uuid[]))")

_ANSWER = sa.text("""
WITH answered AS (
  UPDATE jobs_job SET state = :state, finished_at = now() WHERE id = ANY(CAST(:jobs AS uuid[]))
  RETURNING id, keep_days, epoch
)
INSERT INTO jobs_jobresult (job_id, keep_days, epoch, body, content_type, encoding, source)
SELECT answered.id, answered.keep_days, answered.epoch, result.body, result.content_type, result.encoding,
  COALESCE(result.source, result.job_id)
FROM answered CROSS JOIN jobs_jobresult result WHERE result.job_id = :leader
""")

# The traceback and the attempts stand in the leader's letter; ten thousand copies would say no more.
_BURY = sa.text("""
WITH dead AS (
  UPDATE jobs_job job
  SET state = :state, finished_at = now(), error_kind = letter.kind, error_code = letter.code
  FROM jobs_deadletter letter WHERE letter.job_id = :leader AND job.id = ANY(CAST(:jobs AS uuid[]))
  RETURNING job.id, job.epoch
)
INSERT INTO jobs_deadletter (job_id, epoch, queue, kind, code, message, traceback, fingerprint, reason)
SELECT dead.id, dead.epoch, letter.queue, letter.kind, letter.code, letter.message, '', letter.fingerprint,
  'it followed job ' || letter.job_id || ', which died: ' || letter.reason
FROM dead CROSS JOIN jobs_deadletter letter WHERE letter.job_id = :leader
""")

_POINT = sa.text("UPDATE jobs_follower SET leader = :leader WHERE job_id = ANY(CAST(:jobs AS uuid[]))")

_TELL = sa.text("SELECT pg_notify(:channel, 'job:' || id) FROM unnest(CAST(:jobs AS uuid[])) AS ended(id)")


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of a chunk of followers; `looked_at` is how many there were.

    `moved_to` is the job that some of them follow now, which may have ended meanwhile.
    """

    looked_at: int = 0
    succeeded: int = 0
    dead: int = 0
    running: int = 0
    moved_to: UUID | None = None


def told(connection: sa.Connection, *, jobs: Collection[UUID], batches: Collection[UUID]) -> list[UUID]:
    """Return those of `jobs` and of the members of `batches` that others follow."""
    return list(connection.scalars(_TOLD, {"jobs": list(jobs), "batches": list(batches)}))


def leaders(connection: sa.Connection, *, after: UUID, most: int) -> list[tuple[UUID, bool]]:
    """Return up to `most` followed jobs beyond `after`, in order, and of each whether it has ended."""
    values = {"after": after, "most": most, "ended": sorted(TERMINAL)}
    return [(leader, ended) for leader, ended in connection.execute(_LEADERS, values)]


def land(connection: sa.Connection, leader: UUID, *, most: int = MOST) -> Landed:
    """Do to up to `most` followers of `leader` what its end asks for. Requires a transaction."""
    keys = {job: bytes(key) for job, key in connection.execute(_FOLLOWERS, {"leader": leader, "most": most})}
    locked = {row.id: row for row in connection.execute(_LOCK, {"jobs": [*keys, leader]})}
    waiting = [locked[job] for job in keys if _waits(locked.get(job))]
    _leave(connection, [job for job in keys if not _waits(locked.get(job))])
    ended = _how_it_ended(connection, leader, locked.get(leader))
    fates = {row.id: fate(ended, max_attempts=row.max_attempts) for row in waiting}
    if FollowerFate.WAIT in fates.values():
        return Landed()
    late = sweep.expire(connection, [row.id for row in waiting if row.late])
    rows = [row for row in waiting if row.id not in late]
    answered = _answer(connection, leader, [row.id for row in rows if fates[row.id] is FollowerFate.ANSWER])
    dead = _bury(connection, leader, [row.id for row in rows if fates[row.id] is FollowerFate.DIE])
    led = [row for row in rows if fates[row.id] is FollowerFate.LEAD]
    running, moved_to = _lead(connection, leader, led, keys) if led else (0, None)
    return Landed(len(keys), answered, dead, running, moved_to)


def _waits(row: Any) -> bool:
    # A follower has never run: one that somebody released or replayed has an Outbox row of its own.
    return row is not None and row.state == State.QUEUED and row.epoch == 0


def _how_it_ended(connection: sa.Connection, leader: UUID, row: Any) -> Leader | None:
    if row is None:
        return None
    answered, kind, reason = connection.execute(_HOW_IT_ENDED, {"leader": leader}).one()
    return Leader(row.state, row.max_attempts, has_result=answered, kind=kind or "", reason=reason or "")


def _answer(connection: sa.Connection, leader: UUID, jobs: Sequence[UUID]) -> int:
    _end(connection, _ANSWER, leader, jobs, target(Verb.ANSWER))
    return len(jobs)


def _bury(connection: sa.Connection, leader: UUID, jobs: Sequence[UUID]) -> int:
    _end(connection, _BURY, leader, jobs, target(Verb.REFUSE))
    return len(jobs)


def _end(
    connection: sa.Connection, how: sa.TextClause, leader: UUID, jobs: Sequence[UUID], state: State
) -> None:
    if jobs:
        connection.execute(how, {"leader": leader, "jobs": jobs, "state": state.value})
        _leave(connection, jobs)
        connection.execute(_TELL, {"channel": SETTLED, "jobs": jobs})


def _lead(
    connection: sa.Connection, leader: UUID, rows: Sequence[Any], keys: dict[UUID, bytes]
) -> tuple[int, UUID]:
    """Let the first, the most urgent, run for the others, unless somebody no less urgent does so already."""
    key, heir = keys[rows[0].id], rows[0]
    other = other_leader(connection, key, than=leader)
    if other is not None and other.priority >= heir.priority:
        connection.execute(_POINT, {"leader": other.job, "jobs": [row.id for row in rows]})
        return 0, other.job
    appoint(connection, key, heir.id)
    connection.execute(ENQUEUE, {"jobs": [heir.id], "delays": [0.0]})
    _leave(connection, [heir.id])
    connection.execute(_POINT, {"leader": heir.id, "jobs": [row.id for row in rows[1:]]})
    return 1, heir.id


def _leave(connection: sa.Connection, jobs: Sequence[UUID]) -> None:
    if jobs:
        connection.execute(_LEAVE, {"jobs": jobs})

"""The followers of jobs that ended: answered, buried or led by one of them, a bounded chunk a transaction.

No settle writes here. A follower's row stays until its job has ended or runs, so that a process which dies
in between leaves it to be found again. Jobs are locked first, with the leader, in id order; then the cache
entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.reuse.followers import FollowerFate, fate
from jobs.core.states import TERMINAL, State, Verb, target
from jobs.db.statement import Statement, run
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle.end_times import EndedJob
from jobs.services.lifecycle.enqueue import enqueue
from jobs.services.lifecycle.overdue import expire
from jobs.services.reuse.cache import appoint, other_leader
from jobs.services.reuse.cascade_followers import without_its_cascade
from jobs.services.reuse.leader_ends import leader_of
from models_registry.core.rollouts.rollout_states import RolloutState
from models_registry.core.routing.decision import Arm

MOST = 500

_FOLLOWED = Statement(
    """
WITH suspect AS (
  SELECT unnest(%(jobs)s::uuid[]) AS id
  UNION SELECT unnest(members) FROM jobs_batch WHERE id = ANY(%(batches)s::uuid[])
)
SELECT id FROM suspect CROSS JOIN LATERAL (
  SELECT FROM jobs_follower follower WHERE follower.leader = suspect.id LIMIT 1
) AS any_follower
""",
    UUID,
)


class LeaderRow(NamedTuple):
    """A followed job, and whether it has ended."""

    id: UUID
    ended: bool


# From leader to leader along the index, not over every follower.
_LEADERS = Statement(
    """
WITH RECURSIVE leader AS (
  (SELECT leader AS id, 1 AS number FROM jobs_follower WHERE leader > %(after)s ORDER BY leader LIMIT 1)
  UNION ALL
  SELECT (SELECT leader FROM jobs_follower WHERE leader > leader_.id ORDER BY leader LIMIT 1), number + 1
  FROM leader AS leader_ WHERE leader_.id IS NOT NULL AND number < %(most)s
)
SELECT leader.id, job.state IS NULL OR job.state = ANY(%(ended)s::text[]) AS ended
FROM leader LEFT JOIN jobs_job job ON job.id = leader.id
WHERE leader.id IS NOT NULL ORDER BY leader.id
""",
    LeaderRow,
)


class _Follower(NamedTuple):
    job_id: UUID
    key: bytes


_FOLLOWERS = Statement(
    """
SELECT job_id, key FROM jobs_follower WHERE leader = %(leader)s ORDER BY priority DESC, job_id LIMIT %(most)s
""",
    _Follower,
)


class _LockedJob(NamedTuple):
    id: UUID
    model: str
    version: int
    state: str
    epoch: int
    priority: int
    max_attempts: int
    late: bool | None  # None where there is no deadline
    deadline: datetime | None

    @property
    def waits(self) -> bool:
        # A follower has never run: one that was released or replayed has an Outbox row of its own.
        return self.state == State.QUEUED and self.epoch == 0

    def ends_after(self, other: _LockedJob | None) -> bool:
        """Return whether it has more time than the other job, which may be gone."""
        if other is None or other.deadline is None:
            return False
        return self.deadline is None or self.deadline > other.deadline


_LOCK = Statement(
    """
SELECT id, queue AS model, version_id AS version, state, epoch, priority, max_attempts,
  deadline <= now() AS late, deadline
FROM jobs_job WHERE id = ANY(%(jobs)s::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED
""",
    _LockedJob,
)
_THERE = Statement("SELECT id FROM jobs_job WHERE id = ANY(%(jobs)s::uuid[])", UUID)


# Those that a roll-out routed to the candidate, behind a leader that it did not: that one named the version,
# so it was not rescued. Of a promoted candidate nothing is.
_RESCUABLE = Statement(
    """
SELECT job.id FROM jobs_job job JOIN jobs_route route ON route.job_id = job.id AND route.arm = %(arm)s
JOIN models_registry_rollout rollout ON rollout.id = route.rollout
  AND rollout.candidate_id = job.version_id AND rollout.state <> %(done)s
  AND COALESCE((rollout.plan->>'rescue')::bool, true)
WHERE job.id = ANY(%(jobs)s::uuid[]) AND NOT EXISTS (
  SELECT FROM jobs_route theirs
  WHERE theirs.job_id = %(leader)s AND theirs.arm = %(arm)s AND theirs.rollout = route.rollout)
""",
    UUID,
)
_LEAVE = Statement("DELETE FROM jobs_follower WHERE job_id = ANY(%(jobs)s::uuid[])")

_ANSWER = Statement("""
WITH answered AS (
  UPDATE jobs_job SET state = %(state)s, finished_at = now() WHERE id = ANY(%(jobs)s::uuid[])
  RETURNING id, keep_days, epoch
), keys AS (
  UPDATE jobs_jobkey own SET answer = theirs.answer
  FROM answered, jobs_jobkey theirs WHERE own.job_id = answered.id AND theirs.job_id = %(leader)s
)
INSERT INTO jobs_jobresult (job_id, keep_days, epoch, body, content_type, encoding, source, degraded)
SELECT answered.id, answered.keep_days, answered.epoch, result.body, result.content_type, result.encoding,
  COALESCE(result.source, result.job_id), result.degraded
FROM answered CROSS JOIN jobs_jobresult result WHERE result.job_id = %(leader)s
""")

# The traceback and the attempts stand in the leader's dead letter only: there may be ten thousand followers.
_BURY = Statement("""
WITH dead AS (
  UPDATE jobs_job job
  SET state = %(state)s, finished_at = now(), error_kind = letter.kind, error_code = letter.code
  FROM jobs_deadletter letter WHERE letter.job_id = %(leader)s AND job.id = ANY(%(jobs)s::uuid[])
  RETURNING job.id, job.epoch
)
INSERT INTO jobs_deadletter (job_id, epoch, queue, kind, code, message, traceback, fingerprint, reason)
SELECT dead.id, dead.epoch, letter.queue, letter.kind, letter.code, letter.message, '', letter.fingerprint,
  'it followed job ' || letter.job_id || ', which died: ' || letter.reason
FROM dead CROSS JOIN jobs_deadletter letter WHERE letter.job_id = %(leader)s
""")

_POINT = Statement("UPDATE jobs_follower SET leader = %(leader)s WHERE job_id = ANY(%(jobs)s::uuid[])")


@dataclass(frozen=True, slots=True)
class Landed:
    """The outcomes of a chunk of `looked_at` followers.

    `moved_to` is the new leader of some of them, which may have ended meanwhile; `ends` are the others, by
    their state.
    """

    looked_at: int = 0
    succeeded: int = 0
    dead: int = 0
    running: int = 0
    moved_to: UUID | None = None
    ends: Mapping[State, Sequence[EndedJob]] = field(default_factory=dict, compare=False)


def followed(connection: sa.Connection, *, jobs: Collection[UUID], batches: Collection[UUID]) -> list[UUID]:
    """Return those of `jobs` and of the members of `batches` that others follow."""
    return run(connection, _FOLLOWED, {"jobs": list(jobs), "batches": list(batches)})


def leaders(connection: sa.Connection, *, after: UUID, most: int) -> list[LeaderRow]:
    """Return up to `most` followed jobs beyond `after`, in order of their ids."""
    return run(connection, _LEADERS, {"after": after, "most": most, "ended": sorted(TERMINAL)})


def land(connection: sa.Connection, leader: UUID, *, most: int = MOST) -> Landed:
    """Settle up to `most` followers of a finished leader: answer, bury or promote. Requires a transaction.

    A follower whose row another transaction has locked is left for a later look, and if the leader's is, all.
    """
    followers = run(connection, _FOLLOWERS, {"leader": leader, "most": most})
    jobs = [leader, *(follower.job_id for follower in followers)]
    locked = {job.id: job for job in run(connection, _LOCK, {"jobs": jobs})}
    busy = {*run(connection, _THERE, {"jobs": [job for job in jobs if job not in locked]})}
    if leader in busy:
        return Landed()
    keys = {follower.job_id: follower.key for follower in followers if follower.job_id not in busy}
    waiting = [job for job in map(locked.get, keys) if job is not None and job.waits]
    _leave(connection, sorted(keys.keys() - {job.id for job in waiting}))
    head = locked.get(leader)
    ending = None if head is None else leader_of(connection, leader, head.state, head.max_attempts)
    fates = {
        job.id: fate(ending, max_attempts=job.max_attempts, has_more_time=job.ends_after(head))
        for job in waiting
    }
    if FollowerFate.WAIT in fates.values():
        return Landed()
    fates |= dict.fromkeys(_left_alone(connection, head, waiting, fates), FollowerFate.LEAD)
    overdue = expire(connection, [job.id for job in waiting if job.late])
    late = {job.id for job in overdue.all}
    by_fate: dict[FollowerFate, list[_LockedJob]] = {each: [] for each in FollowerFate}
    for job in waiting:
        if job.id not in late:
            by_fate[fates[job.id]].append(job)
    answered, dead = by_fate[FollowerFate.ANSWER], by_fate[FollowerFate.DIE]
    _end(connection, _ANSWER, leader, [job.id for job in answered], target(Verb.ANSWER))
    _end(connection, _BURY, leader, [job.id for job in dead], target(Verb.REFUSE))
    led = by_fate[FollowerFate.LEAD]
    running, moved_to = _lead_each(connection, leader, led, keys)
    succeeded = [*_ended(answered), *overdue.fallen]
    ends = {State.EXPIRED: overdue.expired, State.SUCCEEDED: succeeded, State.DEAD: _ended(dead)}
    return Landed(len(keys), len(answered), len(dead), running, moved_to, ends)


def _left_alone(
    connection: sa.Connection,
    leader: _LockedJob | None,
    waiting: Sequence[_LockedJob],
    fates: Mapping[UUID, FollowerFate],
) -> list[UUID]:
    """Return the followers to which `leader`'s end says nothing: of another version now, or to be rescued."""
    if leader is None:
        return []
    others = [job.id for job in waiting if job.version != leader.version]
    if others:
        others = without_its_cascade(connection, leader.id, others)
    dying = [job.id for job in waiting if fates[job.id] is FollowerFate.DIE]
    if dying:
        values = {"jobs": dying, "leader": leader.id, "arm": Arm.CANDIDATE, "done": RolloutState.DONE}
        others += run(connection, _RESCUABLE, values)
    return others


def _ended(jobs: Iterable[_LockedJob]) -> list[EndedJob]:
    return [EndedJob(job.id, job.model) for job in jobs]


def _end(
    connection: sa.Connection, ending: Statement[Any], leader: UUID, jobs: Sequence[UUID], state: State
) -> None:
    if jobs:
        run(connection, ending, {"leader": leader, "jobs": jobs, "state": state})
        _leave(connection, jobs)
        sweep.notify_ended(connection, jobs)


def _lead_each(
    connection: sa.Connection, leader: UUID, jobs: Sequence[_LockedJob], keys: dict[UUID, bytes]
) -> tuple[int, UUID | None]:
    """Let the first of each key lead: jobs that several leaders let go together do not ask the same."""
    by_key: dict[bytes, list[_LockedJob]] = {}
    for job in jobs:
        by_key.setdefault(keys[job.id], []).append(job)
    running, moved_to = 0, None
    for alike in by_key.values():
        more, moved_to = _lead(connection, leader, alike, keys)
        running += more
    return running, moved_to


def _lead(
    connection: sa.Connection, leader: UUID, jobs: Sequence[_LockedJob], keys: dict[UUID, bytes]
) -> tuple[int, UUID]:
    """Let the first, the most urgent, run for the others, unless another job no less urgent already does."""
    heir, *rest = jobs
    key = keys[heir.id]
    other = other_leader(connection, key, than=leader)
    if other is not None and other.priority >= heir.priority:
        run(connection, _POINT, {"leader": other.job, "jobs": [job.id for job in jobs]})
        return 0, other.job
    appoint(connection, key, heir.id)
    enqueue(connection, {heir.id: 0.0})
    _leave(connection, [heir.id])
    run(connection, _POINT, {"leader": heir.id, "jobs": [job.id for job in rest]})
    return 1, heir.id


def _leave(connection: sa.Connection, jobs: Sequence[UUID]) -> None:
    if jobs:
        run(connection, _LEAVE, {"jobs": jobs})

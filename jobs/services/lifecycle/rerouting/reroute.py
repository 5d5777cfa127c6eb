"""Reroute: the one place that gives an admitted job another version, always with an Event.

Jobs are locked first, by the caller; side rows change in later statements. The cache entry of a moved job is
deleted, because its key names the version that did not answer. Followers go along with their leader where
they were routed to the same version; one that named the version is left to run for itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import sqlalchemy as sa

from jobs.core.channels import SETTLED, SUBMITTED
from jobs.core.states import Verb, sources, target
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.enqueue import enqueue
from models_registry.core.routing.decision import Arm


@dataclass(frozen=True, slots=True)
class Move:
    """A job of the roll-out `rollout` that goes to another version; `detail` is added to its Event.

    `message` is of the failed attempt that is the reason, if one is: it can be erased, the Event cannot.
    """

    job: UUID
    rollout: int
    detail: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None


class _Moved(NamedTuple):
    id: UUID
    before: int
    epoch: int
    model: str


# A job that was not charged has one attempt less: it is as new to the version that gets it.
_MOVE = Statement(
    """
UPDATE jobs_job job SET version_id = %(to)s, state = %(queued)s, epoch = job.epoch + 1,
  attempts = job.attempts - %(uncharged)s, batch_id = NULL, started_at = NULL, error_kind = '',
  error_code = ''
FROM jobs_job old WHERE old.id = job.id AND job.id = ANY(%(jobs)s::uuid[])
RETURNING job.id, old.version_id AS before, old.epoch, job.queue AS model
""",
    _Moved,
)
# What waits keeps its priority, its age and when it is due. A published row is due at the end of its
# visibility time, and its message points at an epoch of the past: it is due now. So is one that was due
# before and was put off since, because the candidate's circuit is open or the claim gate was shut. It goes
# through its model's queue again, because the stable version may be fast.
_REQUEUE = Statement("""
UPDATE jobs_outbox outbox SET epoch = job.epoch, version_id = job.version_id, queue = job.queue,
  published = 0, published_at = NULL, retry = false, due = CASE
    WHEN outbox.published > 0 THEN now() WHEN outbox.since <= now() THEN LEAST(outbox.due, now())
    ELSE outbox.due END
FROM jobs_job job WHERE job.id = outbox.job_id AND outbox.job_id = ANY(%(jobs)s::uuid[])
""")
_FORGET_ENTRY = Statement("DELETE FROM jobs_cacheentry WHERE job_id = ANY(%(jobs)s::uuid[])")


class _RoutedFollower(NamedTuple):
    id: UUID
    leader: UUID
    before: int
    epoch: int
    routed: bool


# Never waits: the transaction that has locked a follower ends it, or leaves it behind its leader.
_FOLLOWERS = Statement(
    """
SELECT job.id, follower.leader, job.version_id AS before, job.epoch, route.job_id IS NOT NULL AS routed
FROM jobs_follower follower JOIN jobs_job job ON job.id = follower.job_id
LEFT JOIN jobs_route route
  ON route.job_id = job.id AND route.arm = %(arm)s AND route.rollout = ANY(%(rollouts)s::bigint[])
WHERE follower.leader = ANY(%(jobs)s::uuid[])
ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
""",
    _RoutedFollower,
)
# Behind a leader that the roll-out did not route, or that has another version by now: it takes none along.
_STRAYS = Statement(
    """
SELECT job.id, follower.leader, job.version_id AS before, job.epoch, true AS routed
FROM jobs_follower follower JOIN jobs_job job ON job.id = follower.job_id
JOIN jobs_route route ON route.job_id = job.id AND route.arm = %(arm)s AND route.rollout = %(rollout)s
LEFT JOIN jobs_job leader ON leader.id = follower.leader
LEFT JOIN jobs_route theirs
  ON theirs.job_id = follower.leader AND theirs.arm = route.arm AND theirs.rollout = route.rollout
WHERE job.version_id = %(candidate)s AND job.state = ANY(%(sources)s::text[])
  AND (theirs.job_id IS NULL OR leader.version_id IS DISTINCT FROM job.version_id)
ORDER BY job.id LIMIT %(most)s FOR UPDATE OF job SKIP LOCKED
""",
    _RoutedFollower,
)
# A follower has no message, so nothing is fenced by its epoch, which stays that of a job that never ran. Its
# key names the version that it leaves: one of its own keeps a later leader's answer from that version.
_TAKE_ALONG = Statement("""
WITH moved AS (
  UPDATE jobs_job SET version_id = %(to)s WHERE id = ANY(%(followers)s::uuid[]) RETURNING id
)
UPDATE jobs_follower follower SET key = sha256(follower.key || int8send(%(to)s::bigint))
FROM moved WHERE follower.job_id = moved.id
""")
# A leader without a row has ended without an answer: the follower settler lets the first follower lead.
_LET_GO = Statement("""
WITH freed AS (
  UPDATE jobs_follower SET leader = %(nobody)s WHERE job_id = ANY(%(followers)s::uuid[]) RETURNING job_id
)
SELECT pg_notify(jobs_channel(%(channel)s), 'job:' || %(nobody)s::uuid) WHERE EXISTS (SELECT FROM freed)
""")
_NOTE = Statement("""
WITH moved AS (
  SELECT * FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[], %(details)s::text[], %(messages)s::text[])
    AS moved(id, epoch, detail, message)
), event AS (
  INSERT INTO jobs_event (job_id, kind, actor, epoch, detail)
  SELECT id, %(kind)s, %(actor)s, epoch, detail::jsonb FROM moved RETURNING id, job_id
)
INSERT INTO jobs_attemptmessage (event_id, job_id, message)
SELECT event.id, event.job_id, moved.message FROM event JOIN moved ON moved.id = event.job_id
WHERE moved.message IS NOT NULL
""")
_WAKE = Statement("""
SELECT pg_notify(jobs_channel(%(channel)s), model) FROM unnest(%(models)s::text[]) AS model
""")
_LOCK_WAITING = Statement(
    """
SELECT job.id FROM jobs_job job
WHERE job.id = ANY(%(jobs)s::uuid[]) AND job.version_id = %(candidate)s
  AND job.state = ANY(%(sources)s::text[])
  AND EXISTS (SELECT FROM jobs_outbox outbox WHERE outbox.job_id = job.id)
ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
""",
    UUID,
)


def take_back(
    connection: sa.Connection, *, jobs: Sequence[UUID], rollout: int, candidate: int, stable: int, actor: str
) -> list[UUID]:
    """Give those of `jobs` that wait at `candidate`, published or not, to `stable`; return them.

    Requires a transaction. Jobs that another one has locked are left out: look for them again. Followers go
    with their leaders, so `jobs` need not name them.
    """
    parameters = {"jobs": list(jobs), "candidate": candidate, "sources": sources(Verb.TAKE_BACK)}
    waiting = run(connection, _LOCK_WAITING, parameters)
    moves = [Move(job, rollout) for job in waiting]
    reroute(connection, verb=Verb.TAKE_BACK, moves=moves, to=stable, actor=actor)
    return waiting


def take_followers_back(
    connection: sa.Connection, *, rollout: int, candidate: int, stable: int, actor: str, most: int
) -> int:
    """Give up to `most` followers that no leader takes along to `stable`; return how many.

    They run for themselves, whatever becomes of the leader, which named the version. Requires a transaction.
    """
    parameters = {"rollout": rollout, "candidate": candidate, "arm": Arm.CANDIDATE, "most": most}
    strays = run(connection, _STRAYS, {**parameters, "sources": sources(Verb.TAKE_BACK)})
    if strays:
        followers = [stray.id for stray in strays]
        run(connection, _TAKE_ALONG, {"followers": followers, "to": stable})
        run(connection, _LET_GO, {"followers": followers, "nobody": uuid4(), "channel": SETTLED})
        rows = [_event_of_follower(stray, Move(stray.leader, rollout), stable) for stray in strays]
        _note(connection, rows, kind=Verb.TAKE_BACK, actor=actor)
    return len(strays)


def reroute(
    connection: sa.Connection,
    *,
    verb: Verb,
    moves: Sequence[Move],
    to: int,
    actor: str,
    uncharged: bool = False,
) -> None:
    """Queue jobs that this transaction has locked, in a state that `verb` allows, at the version `to`.

    `verb` is the kind of their Events. `uncharged` gives each its last attempt back.
    """
    if not moves:
        return
    jobs = [move.job for move in moves]
    parameters = {"jobs": jobs, "to": to, "queued": target(verb), "uncharged": int(uncharged)}
    moved = run(connection, _MOVE, parameters)
    if verb is Verb.TAKE_BACK:
        run(connection, _REQUEUE, {"jobs": jobs})
    else:  # the claim deleted its row
        enqueue(connection, dict.fromkeys(jobs, 0.0))
    run(connection, _FORGET_ENTRY, {"jobs": jobs})
    by_job = {move.job: move for move in moves}
    rows = [_event(row, by_job[row.id], to) for row in moved]
    rows += _followers(connection, by_job, to)
    _note(connection, rows, kind=verb, actor=actor)
    run(connection, _WAKE, {"channel": SUBMITTED, "models": sorted({row.model for row in moved})})


class _Event(NamedTuple):
    job: UUID
    epoch: int
    detail: str
    message: str | None = None


def _event(row: _Moved, move: Move, to: int) -> _Event:
    detail = {"from": row.before, "to": to, "rollout": move.rollout, **move.detail}
    return _Event(row.id, row.epoch, json.dumps(detail), move.message)


def _followers(connection: sa.Connection, moves: Mapping[UUID, Move], to: int) -> list[_Event]:
    """Take along the followers that were routed as their leaders were, and let the others go."""
    parameters = {"jobs": list(moves), "arm": Arm.CANDIDATE, "rollouts": [m.rollout for m in moves.values()]}
    followers = run(connection, _FOLLOWERS, parameters)
    along = [follower for follower in followers if follower.routed]
    others = [follower.id for follower in followers if not follower.routed]
    if along:
        run(connection, _TAKE_ALONG, {"followers": [follower.id for follower in along], "to": to})
    if others:
        run(connection, _LET_GO, {"followers": others, "nobody": uuid4(), "channel": SETTLED})
    return [_event_of_follower(follower, moves[follower.leader], to) for follower in along]


def _event_of_follower(follower: _RoutedFollower, leader: Move, to: int) -> _Event:
    detail = {"from": follower.before, "to": to, "rollout": leader.rollout, "leader": str(leader.job)}
    return _Event(follower.id, follower.epoch, json.dumps(detail))


def _note(connection: sa.Connection, rows: Iterable[_Event], *, kind: Verb, actor: str) -> None:
    jobs, epochs, details, messages = zip(*rows, strict=True)
    columns = {
        "jobs": list(jobs), "epochs": list(epochs), "details": list(details), "messages": list(messages),
    }  # fmt: skip
    run(connection, _NOTE, {**columns, "kind": kind, "actor": actor})

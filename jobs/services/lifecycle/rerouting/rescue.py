"""Rescue: the stable version answers what a candidate could not, instead of a retry or a dead letter.

It is for a job that a roll-out routed to the candidate, once a job, and only where the candidate's first
attempt failed by its own fault. No attempt is charged, and no retry budget is touched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import Verb, sources
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.rerouting.past_events import times_of
from jobs.services.lifecycle.rerouting.reroute import Move, reroute
from models_registry.core.rollouts.rollout_states import RolloutState
from models_registry.core.routing.decision import Arm


class FailedFirst(NamedTuple):
    """A first attempt that failed: its job, the epoch of its claim, and what the Event says of it."""

    job: UUID
    epoch: int
    detail: Mapping[str, Any]
    message: str


class _Locked(NamedTuple):
    id: UUID
    rollout: int | None  # None: it is not rescued
    stable: int | None


# A job that is locked, or not this claim's any more, has no row here. Of a promoted candidate nothing is
# rescued: it is the stable version.
_LOCK = Statement(
    f"""
SELECT job.id, rollout.id AS rollout, rollout.stable_id AS stable
FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[]) AS failed(id, epoch)
JOIN jobs_job job USING (id, epoch)
LEFT JOIN jobs_route route ON route.job_id = job.id AND route.arm = %(arm)s
  AND route.rollout = ANY(%(rollouts)s::bigint[]) AND (job.deadline IS NULL OR job.deadline > now())
  AND (job.epoch = 1 OR {times_of("job.id", "%(rescued)s")} = 0)
LEFT JOIN models_registry_rollout rollout ON rollout.id = route.rollout
  AND rollout.candidate_id = job.version_id AND rollout.state <> %(done)s
WHERE job.batch_id = %(batch)s AND job.state = ANY(%(sources)s::text[])
ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
""",  # noqa: S608  # built from our own constants
    _Locked,
)


class Rescued(NamedTuple):
    """Jobs that the stable version answers, and those that are locked, or another claim's by now."""

    jobs: frozenset[UUID] = frozenset()
    unsettled: frozenset[UUID] = frozenset()


def rescue(
    connection: sa.Connection, *, batch: UUID, failed: Sequence[FailedFirst], rollouts: Sequence[int]
) -> Rescued:
    """Queue again, at the stable version, those of `failed` that one of `rollouts` routed to the candidate.

    Requires a transaction. The others are left to the settle, which holds their locks from now on.
    """
    if not failed:
        return Rescued()
    parameters = {
        "jobs": [first.job for first in failed],
        "epochs": [first.epoch for first in failed],
        "rollouts": list(rollouts),
        "batch": batch,
        "arm": Arm.CANDIDATE,
        "rescued": Verb.RESCUE,
        "done": RolloutState.DONE,
        "sources": sources(Verb.RESCUE),
    }
    locked = run(connection, _LOCK, parameters)
    by_job = {first.job: first for first in failed}
    moves = defaultdict[int, list[Move]](list)
    for row in locked:
        if row.rollout is not None and row.stable is not None:
            first = by_job[row.id]
            moves[row.stable].append(Move(row.id, row.rollout, first.detail, first.message))
    for stable, some in moves.items():
        reroute(connection, verb=Verb.RESCUE, moves=some, to=stable, actor="worker", uncharged=True)
    rescued = frozenset(move.job for some in moves.values() for move in some)
    return Rescued(rescued, frozenset(by_job) - {row.id for row in locked})

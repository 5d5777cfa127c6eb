"""Workers that died with a candidate's jobs in hand: the jobs go to the stable version, and the share is 0.

No attempt is charged. If the stable version's worker dies with them too, they are quarantined as any others.
A worker that died is counted once, with the last of its open batches, however many it had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import Verb
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.rerouting.reroute import Move, reroute
from models_registry.core.rollouts.rollout_states import (
    ROLLOUT_TRANSITIONS,
    HoldReason,
    RolloutState,
    RolloutVerb,
    rollout_sources,
)
from models_registry.core.routing.decision import Arm

SWEEPER = "sweeper"


class RoutedJob(NamedTuple):
    """A job that a roll-out routed to the candidate at which its worker died, and the stable version."""

    job: UUID
    rollout: int
    stable: int


# Of a promoted candidate nothing goes back: it is the stable version.
_ROUTED = Statement(
    """
SELECT route.job_id AS job, route.rollout, rollout.stable_id AS stable
FROM jobs_batch batch JOIN jobs_route route
  ON route.job_id = ANY(batch.members) AND route.arm = %(arm)s
JOIN models_registry_rollout rollout ON rollout.id = route.rollout
  AND rollout.candidate_id = batch.version_id AND rollout.state <> %(done)s
WHERE batch.id = %(batch)s AND batch.finished_at IS NULL
ORDER BY route.job_id
""",
    RoutedJob,
)
# The share is 0 in the transaction that takes the jobs back, so the claim gate refuses from then on. A hold
# that had stopped the candidate before stays what it is: a person's pause is not ended by a judge.
_HOLD = Statement(
    """
WITH before AS (
  SELECT id, hold, state <> %(held)s OR share_ppm > 0 AS holds
  FROM models_registry_rollout WHERE id = ANY(%(rollouts)s::bigint[]) AND state = ANY(%(sources)s::text[])
  ORDER BY id FOR UPDATE
)
UPDATE models_registry_rollout rollout SET share_ppm = 0, state = %(held)s,
  hold = CASE WHEN before.holds THEN %(reason)s ELSE before.hold END,
  state_since = CASE WHEN before.holds THEN now() ELSE rollout.state_since END
FROM before WHERE rollout.id = before.id
RETURNING rollout.id
""",
    int,
)
_COUNT = Statement("""
WITH dead AS (
  SELECT rollout.id FROM models_registry_rollout rollout
  WHERE rollout.id = ANY(%(rollouts)s::bigint[]) AND NOT EXISTS (
    SELECT FROM jobs_batch closed JOIN jobs_batch other ON other.worker_id = closed.worker_id
      AND other.finished_at IS NULL AND other.version_id = closed.version_id
    CROSS JOIN LATERAL unnest(other.members) AS member(id)
    JOIN jobs_route route ON route.job_id = member.id AND route.rollout = rollout.id AND route.arm = %(arm)s
    WHERE closed.id = %(batch)s)
), counted AS (
  UPDATE models_registry_rollout rollout SET deaths = rollout.deaths + 1 FROM dead WHERE rollout.id = dead.id
)
INSERT INTO jobs_tally (rollout, arm, keys, failed, refused, deaths)
SELECT rollout.id, %(arm)s, '{}', '{}', '{}', 1
FROM dead JOIN models_registry_rollout rollout USING (id) WHERE rollout.ended_at IS NULL
""")


def routed_jobs(connection: sa.Connection, batch: UUID) -> dict[UUID, RoutedJob]:
    """Return the members of a batch that a roll-out routed to its version, the candidate."""
    rows = run(connection, _ROUTED, {"batch": batch, "arm": Arm.CANDIDATE, "done": RolloutState.DONE})
    return {row.job: row for row in rows}


def take_to_stable(connection: sa.Connection, jobs: Sequence[RoutedJob], detail: Mapping[str, Any]) -> None:
    """Queue jobs that this transaction has locked, and whose worker died, at their stable versions."""
    moves = defaultdict[int, list[Move]](list)
    for job in jobs:
        moves[job.stable].append(Move(job.job, job.rollout, detail))
    for stable, some in moves.items():
        reroute(connection, verb=Verb.RESCUE, moves=some, to=stable, actor=SWEEPER, uncharged=True)


def hold_after_death(connection: sa.Connection, batch: UUID, rollouts: Sequence[int]) -> None:
    """Set the shares of roll-outs to 0 and count the death, once `batch` is closed; in a transaction."""
    parameters = {"rollouts": sorted(set(rollouts)), "batch": batch, "arm": Arm.CANDIDATE}
    hold = {
        "sources": rollout_sources(RolloutVerb.HOLD),
        "held": ROLLOUT_TRANSITIONS[RolloutVerb.HOLD][1],
        "reason": HoldReason.WORKER_DEATH,
    }
    run(connection, _HOLD, {**parameters, **hold})
    run(connection, _COUNT, parameters)

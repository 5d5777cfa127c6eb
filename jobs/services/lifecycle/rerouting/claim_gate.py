"""The claim gate: what an unproven or stopped candidate may claim, decided under a lock on its roll-out.

One transaction locks the row, claims, and adds the claimed jobs to `met`, so `met` never exceeds the budget,
however many workers claim at once. Its commit is waited for, unlike that of other claims: a crash of the
database forgets neither the claim nor what it met. Jobs that named the version have no route, and pass.

A worker may claim while no other one has an open batch of the candidate's jobs: a version that kills its
worker then takes one worker at a time. The jobs of a roll-out that went back are given to the stable version
here, so that one that comes late is not held for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.messages.envelope import Envelope
from jobs.db.statement import Statement, run
from jobs.services.lifecycle import claim as store
from jobs.services.lifecycle.rerouting.reroute import take_back
from jobs.services.lifecycle.rerouting.watched import EXPOSING, WENT_BACK
from models_registry.core.rollouts.rollout_states import RolloutState
from models_registry.core.routing.decision import Arm

ACTOR = "worker"
BUSY_S = 0.5  # another worker runs some: its batch ends soon
STOPPED_S = 5.0  # until the judge gives the share back, or takes the jobs back


class _Route(NamedTuple):
    job: UUID
    rollout: int


_ROUTES = Statement(
    """
SELECT job_id AS job, rollout FROM jobs_route
WHERE job_id = ANY(%(jobs)b::uuid[]) AND arm = %(arm)s AND rollout = ANY(%(rollouts)b::bigint[])
""",
    _Route,
)


class _GateRow(NamedTuple):
    id: int
    state: str
    stable: int
    open: bool
    proven: bool
    room: int
    durability: str


_LOCK = Statement(
    """
SELECT id, state, stable_id AS stable, share_ppm > 0 AND state = ANY(%(exposing)s::text[]) AS open, proven,
  GREATEST(budget - met, 0) AS room, current_setting('synchronous_commit') AS durability
FROM models_registry_rollout WHERE id = ANY(%(rollouts)s::bigint[]) AND candidate_id = %(version)s
ORDER BY id FOR UPDATE
""",
    _GateRow,
)
# Of few open batches, found by the index of those that are open.
_BUSY = Statement(
    """
SELECT EXISTS (
  SELECT FROM jobs_batch batch CROSS JOIN LATERAL unnest(batch.members) AS member(id)
  JOIN jobs_route route ON route.job_id = member.id
  WHERE batch.finished_at IS NULL AND batch.version_id = %(version)s AND batch.worker_id <> %(worker)s
    AND route.rollout = %(rollout)s AND route.arm = %(arm)s)
""",
    bool,
)
_MET = Statement("UPDATE models_registry_rollout SET met = met + %(met)s WHERE id = %(rollout)s")
# The claim's own statement switched it off, and what it is at the commit counts.
_COMMIT_AS_BEFORE = Statement("SELECT set_config('synchronous_commit', %(durability)s, true)", str)


@dataclass(slots=True)
class GatedClaim:
    """What a claim through the gate made running, and which jobs it put off, by the seconds.

    `taken_back` are now the stable version's.
    """

    jobs: list[store.Claimed] = field(default_factory=list)
    held: dict[float, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    taken_back: list[UUID] = field(default_factory=list)


def claim_through_gate(
    connection: sa.Connection,
    *,
    batch: store.BatchRow,
    envelopes: Sequence[Envelope],
    buffered_s: Sequence[float],
    rollouts: Sequence[int],
) -> GatedClaim:
    """Claim what the roll-outs of a candidate allow of `envelopes`; requires a transaction of its own."""
    done = GatedClaim()
    routes = _routes(connection, envelopes, rollouts)
    gates = _gates(connection, batch.version, sorted(set(routes.values())))
    by_rollout = defaultdict[int, list[UUID]](list)
    for job, rollout in routes.items():
        by_rollout[rollout].append(job)
    # Nothing here waits while it holds the roll-out's row, also not for the outbox rows that a claim deletes.
    shut = store.withheld(connection, jobs=[envelope.job for envelope in envelopes]) if gates else set()
    for gate in gates:
        jobs = [job for job in by_rollout[gate.id] if job not in shut]
        shut |= set(_refused(connection, done, batch, gate, jobs))
    pairs = zip(envelopes, buffered_s, strict=True)
    free = [(envelope, seconds) for envelope, seconds in pairs if envelope.job not in shut]
    if free:
        done.jobs = store.claim(
            connection, batch=batch, envelopes=[e for e, _ in free], buffered_s=[s for _, s in free]
        )
    _count(connection, gates, routes, done)
    return done


def _routes(
    connection: sa.Connection, envelopes: Sequence[Envelope], rollouts: Sequence[int]
) -> dict[UUID, int]:
    """Return the roll-out that routed each job to the candidate, in the order of the batch."""
    jobs = [envelope.job for envelope in envelopes]
    rows = run(connection, _ROUTES, {"jobs": jobs, "arm": Arm.CANDIDATE, "rollouts": list(rollouts)})
    by_job = {row.job: row.rollout for row in rows}
    return {job: by_job[job] for job in jobs if job in by_job}


def _gates(connection: sa.Connection, version: int, rollouts: Sequence[int]) -> list[_GateRow]:
    if not rollouts:
        return []
    parameters = {"rollouts": rollouts, "version": version, "exposing": EXPOSING}
    return run(connection, _LOCK, parameters)


def _refused(
    connection: sa.Connection, done: GatedClaim, batch: store.BatchRow, gate: _GateRow, jobs: Sequence[UUID]
) -> Sequence[UUID]:
    """Return the jobs that may not be claimed now, noted in `done`."""
    if gate.state == RolloutState.DONE:
        return ()
    if gate.state in WENT_BACK:
        done.taken_back += take_back(
            connection, jobs=jobs, rollout=gate.id, candidate=batch.version, stable=gate.stable, actor=ACTOR
        )
        return jobs
    if not gate.open:
        return _hold(done, jobs, STOPPED_S)
    if gate.proven:
        return ()
    if _is_busy(connection, batch, gate.id):
        return _hold(done, jobs, BUSY_S)
    return _hold(done, jobs[gate.room :], STOPPED_S)


def _hold(done: GatedClaim, jobs: Sequence[UUID], seconds: float) -> Sequence[UUID]:
    if jobs:
        done.held[seconds] += jobs
    return jobs


def _is_busy(connection: sa.Connection, batch: store.BatchRow, rollout: int) -> bool:
    parameters = {"version": batch.version, "worker": batch.worker, "rollout": rollout, "arm": Arm.CANDIDATE}
    (busy,) = run(connection, _BUSY, parameters)
    return busy


def _count(
    connection: sa.Connection, gates: Sequence[_GateRow], routes: Mapping[UUID, int], done: GatedClaim
) -> None:
    """Add what was claimed to `met`, and have the commit waited for."""
    for gate in gates:
        met = sum(routes.get(job.job) == gate.id for job in done.jobs)
        if met and not gate.proven and gate.state != RolloutState.DONE:
            run(connection, _MET, {"rollout": gate.id, "met": met})
    if gates and done.jobs:
        run(connection, _COMMIT_AS_BEFORE, {"durability": gates[0].durability})

"""Take back: a stopped candidate's queued jobs get the stable version, in chunks, until none is left.

Web processes know a rule for a second and workers a version's state, so it is looked again for LOOK_AGAIN_S.
Jobs that ran meanwhile may be queued again under the candidate: it goes on until the batches that were open
then have ended. Jobs that named the version have no route, and stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.circuits.breaker import CircuitState
from jobs.core.queue_names import queues_of
from jobs.db import leases
from jobs.db.statement import Statement, run
from jobs.services.access.audit import note_in
from jobs.services.lifecycle.rerouting import reroute as rerouting
from jobs.services.lifecycle.rerouting.watched import EXPOSING, WENT_BACK
from models_registry.core.refs import SLOW_ENDING
from models_registry.core.routing.decision import Arm

JUDGE = "judge"  # the actor of what no person did
LOOK_AGAIN_S = 5.0
CHUNK_JOBS = 500


class OpenTakeBack(NamedTuple):
    """A roll-out whose candidate's jobs are to be taken back; `age_s` since it was stopped."""

    rollout: int
    model: str
    candidate: int
    stable: int
    closes: bool
    deaths: int
    age_s: float


_OPEN = Statement(
    """
SELECT back.rollout, model.name AS model, rollout.candidate_id AS candidate, rollout.stable_id AS stable,
  back.closes, rollout.deaths::int AS deaths, extract(epoch FROM now() - back.since)::float8 AS age_s
FROM jobs_takeback back JOIN models_registry_rollout rollout ON rollout.id = back.rollout
JOIN models_registry_registeredmodel model ON model.id = rollout.model_id
ORDER BY back.rollout
""",
    OpenTakeBack,
)
_ROUTED = Statement(
    """
SELECT outbox.job_id FROM jobs_outbox outbox JOIN jobs_route route USING (job_id)
WHERE outbox.queue = ANY(%(queues)s::text[]) AND outbox.version_id = %(candidate)s
  AND route.rollout = %(rollout)s
ORDER BY outbox.job_id
""",
    UUID,
)
_COUNT = Statement("UPDATE jobs_takeback SET taken = taken + %(jobs)s WHERE rollout = %(rollout)s")
# Only batches that were claimed before can bring routed jobs back to the queue.
_STILL_RUNS = Statement(
    """
SELECT EXISTS (
  SELECT FROM jobs_batch batch JOIN jobs_takeback back ON back.rollout = %(rollout)s
  WHERE batch.finished_at IS NULL AND batch.version_id = %(candidate)s
    AND batch.claimed_at < back.since + make_interval(secs => %(again_s)s)
    AND EXISTS (SELECT FROM jobs_route route
      WHERE route.job_id = ANY(batch.members) AND route.rollout = %(rollout)s)
)
""",
    bool,
)
_END = Statement("DELETE FROM jobs_takeback WHERE rollout = %(rollout)s RETURNING taken", int)
# One that a person opened, or the breaker, stays as it is.
_CLOSE = Statement(
    """
UPDATE jobs_circuit SET state = 'closed', reason = %(reason)s, since = now(), retry_at = NULL, openings = 0
WHERE version_id = %(candidate)s AND client = 0 AND state = 'open' AND reason = %(ours)s
RETURNING version_id
""",
    int,
)

# A job may come later still: its submit took long, or a worker gave it back after the last look. Rows that
# are locked are left for the next time, and one that gets its share back deletes what is noted here.
_NOTE_LATE = Statement(
    """
INSERT INTO jobs_takeback (rollout, closes, since, taken)
SELECT rollout.id, false, now(), 0 FROM models_registry_rollout rollout
JOIN models_registry_registeredmodel model ON model.id = rollout.model_id
WHERE (rollout.state = ANY(%(went_back)s::text[]) AND rollout.ended_at > now() - make_interval(days => 1)
    OR rollout.state = ANY(%(exposing)s::text[]) AND rollout.share_ppm = 0)
  AND EXISTS (
    SELECT FROM jobs_outbox outbox JOIN jobs_route route USING (job_id)
    WHERE outbox.queue IN (model.name, model.name || %(slow)s) AND outbox.version_id = rollout.candidate_id
      AND route.rollout = rollout.id AND route.arm = %(arm)s)
FOR UPDATE OF rollout SKIP LOCKED
ON CONFLICT (rollout) DO NOTHING
RETURNING rollout
""",
    int,
)


def note_late(session: sa.Connection) -> list[int]:
    """Take back again where jobs wait at a stopped candidate, and return those roll-outs."""
    values = {"went_back": WENT_BACK, "exposing": EXPOSING, "arm": Arm.CANDIDATE, "slow": SLOW_ENDING}
    with leases.fenced(session):
        return run(session, _NOTE_LATE, values)


def circuit_reason(rollout: int) -> str:
    """Return why the circuit of a roll-out's candidate is open, for people; it closes by this."""
    return f"Roll-out {rollout} was rolled back."


def any_take_back(session: sa.Connection) -> list[OpenTakeBack]:
    """Return the roll-outs whose jobs are to be taken back."""
    return run(session, _OPEN)


def take_back(session: sa.Connection, back: OpenTakeBack, go_on: Callable[[], None] = lambda: None) -> int:
    """Take back what waits now, a chunk a transaction, and return how many; end it where that was all.

    `go_on` is called before each chunk, and may end it.
    """
    names = {"queues": queues_of(back.model), "candidate": back.candidate, "rollout": back.rollout}
    jobs, taken = run(session, _ROUTED, names), 0
    for start in range(0, len(jobs), CHUNK_JOBS):
        go_on()
        taken += _chunk(session, back, jobs[start : start + CHUNK_JOBS])
    followers = CHUNK_JOBS
    while followers == CHUNK_JOBS:
        go_on()
        taken += (followers := _followers(session, back))
    if not taken and back.age_s >= LOOK_AGAIN_S:
        _end_if_over(session, back)
    return taken


def _chunk(session: sa.Connection, back: OpenTakeBack, jobs: list[UUID]) -> int:
    with leases.fenced(session):
        taken = rerouting.take_back(
            session,
            jobs=jobs,
            rollout=back.rollout,
            candidate=back.candidate,
            stable=back.stable,
            actor=JUDGE,
        )
        if taken:
            run(session, _COUNT, {"rollout": back.rollout, "jobs": len(taken)})
        return len(taken)


def _followers(session: sa.Connection, back: OpenTakeBack) -> int:
    with leases.fenced(session):
        taken = rerouting.take_followers_back(
            session,
            rollout=back.rollout,
            candidate=back.candidate,
            stable=back.stable,
            actor=JUDGE,
            most=CHUNK_JOBS,
        )
        if taken:
            run(session, _COUNT, {"rollout": back.rollout, "jobs": taken})
        return taken


def _end_if_over(session: sa.Connection, back: OpenTakeBack) -> None:
    values = {"rollout": back.rollout, "candidate": back.candidate, "again_s": LOOK_AGAIN_S}
    with leases.fenced(session):
        (runs,) = run(session, _STILL_RUNS, values)
        if runs:
            return
        ended = run(session, _END, {"rollout": back.rollout})
        if not ended:  # the share was given back meanwhile
            return
        closed = back.closes and not back.deaths and _close(session, back)
        note_in(
            session, AuditKind.ROLLOUT, actor=JUDGE, rollout=back.rollout, act="taken_back", jobs=ended[0],
            circuit="closed" if closed else "unchanged",
        )  # fmt: skip


def _close(session: sa.Connection, back: OpenTakeBack) -> bool:
    reason = f"{circuit_reason(back.rollout)} Its jobs were taken back."
    ours = circuit_reason(back.rollout)
    closed = run(session, _CLOSE, {"candidate": back.candidate, "reason": reason, "ours": ours})
    if closed:
        detail = {
            "version": back.candidate,
            "client": 0,
            "state": CircuitState.CLOSED.value,
            "reason": reason,
        }
        note_in(session, AuditKind.CIRCUIT, actor=JUDGE, **detail)
    return bool(closed)

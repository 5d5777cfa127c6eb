"""A trial's row as work: taken by one worker at a time, kept by its beats, ended once.

`attempts` fences: a worker that was silent for too long, and whose trial another one has taken, changes it no
more. A worker that stops in order gives the attempt back; one that dies does not, and after the second death
the trial fails, because the trial may be what ends them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.db.statement import Statement, run
from jobs.models.rollouts.version_trial import TrialState
from models_registry.core.rollouts.rollout_states import LIVE

SILENT_S = 30.0
MOST_ATTEMPTS = 2
KILLED = (
    "It was begun twice, and both workers ended while it ran: see their logs. It is not tried again, because"
    " it may be what ends them."
)
ROLLOUT_ENDED = "Its roll-out has ended."


class TakenTrial(NamedTuple):
    """A trial that this worker runs; versions are row ids."""

    id: int
    kind: str
    rollout: int | None
    model: str
    candidate: int
    stable: int | None
    spec: dict[str, Any]
    progress: dict[str, Any]
    attempts: int


_LIVE_ROLLOUT: LiteralString = """
(rollout IS NULL OR EXISTS (
  SELECT FROM models_registry_rollout r WHERE r.id = rollout AND r.state = ANY(%(live)s::text[])))
"""
# Its worker has ended or is silent.
_LEFT: LiteralString = """
(trial.state = 'running' AND trial.worker <> %(worker)s AND (
  trial.beat_at < now() - make_interval(secs => %(silent_s)s)
  OR NOT EXISTS (SELECT FROM jobs_worker w WHERE w.id = trial.worker AND w.ended_at IS NULL)))
"""
_ANY = Statement(
    "SELECT EXISTS (SELECT FROM jobs_trial WHERE ended_at IS NULL AND model = ANY(%(models)s::text[]))", bool
)
_CANCEL: Statement[None] = Statement(
    f"""
UPDATE jobs_trial SET state = %(cancelled)s, ended_at = now(), outcome = %(outcome)s
WHERE ended_at IS NULL AND model = ANY(%(models)s::text[]) AND NOT {_LIVE_ROLLOUT}
"""  # noqa: S608  # built from constants of this file
)
_FAIL: Statement[None] = Statement(
    f"""
UPDATE jobs_trial trial SET state = %(failed)s, ended_at = now(), outcome = %(outcome)s,
  spec = spec - 'labels'
WHERE ended_at IS NULL AND model = ANY(%(models)s::text[]) AND attempts >= %(most)s AND {_LEFT}
"""  # noqa: S608
)
# What a roll-out waits for goes first.
_TAKE = Statement(
    f"""
WITH open AS (
  SELECT id FROM jobs_trial trial
  WHERE ended_at IS NULL AND model = ANY(%(models)s::text[])
    AND (state = 'waiting' OR worker = %(worker)s OR {_LEFT})
  ORDER BY rollout IS NULL, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE jobs_trial trial SET state = 'running', worker = %(worker)s, node = %(node)s, beat_at = now(),
  attempts = attempts + CASE WHEN trial.worker = %(worker)s THEN 0 ELSE 1 END
FROM open WHERE trial.id = open.id
RETURNING trial.id, trial.kind, trial.rollout, trial.model, trial.candidate_id AS candidate,
  trial.stable_id AS stable, trial.spec, trial.progress, trial.attempts
""",  # noqa: S608
    TakenTrial,
)
_MINE: LiteralString = (
    "id = %(trial)s AND worker = %(worker)s AND attempts = %(attempts)s AND ended_at IS NULL"
)
_BEAT = Statement(
    f"UPDATE jobs_trial SET beat_at = now() WHERE {_MINE} AND {_LIVE_ROLLOUT} RETURNING spec",  # noqa: S608
    dict,
)
_PROGRESS = Statement(
    f"""
UPDATE jobs_trial SET progress = %(progress)s::jsonb, beat_at = now() WHERE {_MINE} RETURNING id
""",  # noqa: S608
    int,
)
_END = Statement(
    f"""
UPDATE jobs_trial SET state = %(state)s, report = %(report)s::jsonb, outcome = %(outcome)s,
  progress = COALESCE(%(progress)s::jsonb, progress), ended_at = now(), spec = spec - 'labels'
WHERE {_MINE} RETURNING id
""",  # noqa: S608
    int,
)
_RELEASE: Statement[None] = Statement("""
UPDATE jobs_trial SET state = 'waiting', worker = NULL, attempts = greatest(attempts - 1, 0)
WHERE worker = %(worker)s AND state = 'running' AND ended_at IS NULL
""")


def take(session: sa.Connection, *, worker: UUID, node: str, models: Sequence[str]) -> TakenTrial | None:
    """Take an open trial of these models; None where there is none for this worker.

    Those whose roll-out has ended are cancelled, and those that ended two workers fail.
    """
    of_models: dict[str, Any] = {"models": list(models)}
    if not run(session, _ANY, of_models)[0]:
        return None
    of_models |= {"worker": worker, "silent_s": SILENT_S, "live": sorted(LIVE)}
    run(session, _CANCEL, {**of_models, "cancelled": TrialState.CANCELLED.value, "outcome": ROLLOUT_ENDED})
    failed = {"failed": TrialState.FAILED.value, "outcome": KILLED, "most": MOST_ATTEMPTS}
    run(session, _FAIL, {**of_models, **failed})
    return next(iter(run(session, _TAKE, {**of_models, "node": node})), None)


def beat(session: sa.Connection, trial: TakenTrial, worker: UUID) -> dict[str, Any] | None:
    """Renew a trial; return its present request, None where another worker has it or it was cancelled."""
    return next(iter(run(session, _BEAT, {**_fence(trial, worker), "live": sorted(LIVE)})), None)


def note_progress(session: sa.Connection, trial: TakenTrial, worker: UUID, progress: dict[str, Any]) -> bool:
    """Store how far a trial is, which its next worker goes on from; False where it is not this worker's."""
    values = {**_fence(trial, worker), "progress": json.dumps(progress)}
    return bool(run(session, _PROGRESS, values))


class TrialEnd(NamedTuple):
    """How a trial ended: its state, a sentence, and a report."""

    state: TrialState
    outcome: str
    report: dict[str, Any] | None = None


def end(
    session: sa.Connection,
    trial: TakenTrial,
    worker: UUID,
    ended: TrialEnd,
    progress: dict[str, Any] | None = None,
) -> bool:
    """End a trial and drop the true labels that it was given; False where it is not this worker's."""
    values = {
        **_fence(trial, worker),
        "state": ended.state.value,
        "outcome": ended.outcome,
        "report": None if ended.report is None else json.dumps(ended.report),
        "progress": None if progress is None else json.dumps(progress),
    }
    return bool(run(session, _END, values))


def release(session: sa.Connection, worker: UUID) -> None:
    """Give back what a worker that stops in order has taken, uncharged."""
    run(session, _RELEASE, {"worker": worker})


def _fence(trial: TakenTrial, worker: UUID) -> dict[str, Any]:
    return {"trial": trial.id, "worker": worker, "attempts": trial.attempts}

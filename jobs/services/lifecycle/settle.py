"""Settle: one transaction stores a whole batch of verdicts, each fenced by its batch and its claim's epoch.

A verdict that comes too late (the job was reaped, cancelled or replayed meanwhile) changes nothing; one
that comes after the job's deadline expires the job. One whose job another transaction has locked is left for
later, and the batch stays open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.cascades.step_ends import NO_STEPS, StepCounts, StepVerdict
from jobs.core.channels import SETTLED
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.job_error import DEADLINE_CODE
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.stages import NO_TIMES, StageTimes
from jobs.core.states import State, Verb, sources, target
from jobs.db.statement import Statement, run, run_many
from jobs.services.lifecycle.bury import bury
from jobs.services.lifecycle.enqueue import enqueue

EVENT_CHARS = 500  # of a message


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one attempt, and for a failure what follows; `attempt` is its number.

    `suspect` is True where the job raised alone at its last attempt, `step` what a cascade's step comes to.
    """

    job: UUID
    epoch: int
    outcome: Success | Failure
    after: RetryAfter | Bury | None = None
    attempt: int = 0
    suspect: bool = False
    step: StepVerdict | None = None

    @property
    def state(self) -> State:
        """Return the state that this verdict asks for."""
        if self.step is not None and self.step.goto:
            return target(Verb.ESCALATE)
        if isinstance(self.outcome, Success):
            return State.SUCCEEDED
        return State.WAITING if isinstance(self.after, RetryAfter) else State.DEAD


class Settled(msgspec.Struct, frozen=True, gc=False):
    """One job that the settle changed, and the state that it ended in."""

    job: UUID
    state: State


class SettledRow(NamedTuple):
    """A row that the settle changed."""

    id: UUID
    state: str


# A result keeps the epoch of its verdict, not of the row: a broken fence shows, because the two differ.
# A claim that a crash or a failover of the database lost leaves its epoch to the next one, which has another
# batch. Fewer than `least` rows that can be settled now: none of them is.
RULING: LiteralString = """
WITH verdict AS (
  SELECT * FROM unnest(%(jobs)b::uuid[], %(epochs)b::int[], %(states)b::text[], %(bodies)b::bytea[],
                       %(kinds)b::text[], %(codes)b::text[], %(encodings)b::text[], %(claims)b::uuid[])
    AS verdict(id, epoch, state, body, kind, code, encoding, batch_id)
), locked AS (
  SELECT job.id, verdict.epoch AS claim, verdict.body, verdict.encoding, verdict.kind, verdict.code,
         CASE WHEN job.deadline <= now() THEN %(expired)s ELSE verdict.state END AS state
  FROM jobs_job job JOIN verdict USING (id, epoch, batch_id)
  WHERE job.state = ANY(%(sources)b::text[])
  ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
), settled AS (
  UPDATE jobs_job job
  SET state = locked.state,
      epoch = job.epoch + CASE WHEN locked.state = %(expired)s THEN 1 ELSE 0 END,
      error_kind = CASE WHEN locked.state = %(expired)s THEN %(late_kind)s ELSE locked.kind END,
      error_code = CASE WHEN locked.state = %(expired)s THEN %(late_code)s ELSE locked.code END,
      finished_at = CASE WHEN locked.state = %(waiting)s THEN NULL ELSE now() END
  FROM locked WHERE job.id = locked.id AND (SELECT count(*) FROM locked) >= %(least)s
  RETURNING job.id, job.batch_id, job.keep_days, locked.claim, job.state, locked.body, locked.encoding
)"""
SETTLE: LiteralString = f"""{RULING}, stored AS (
  INSERT INTO jobs_jobresult (job_id, keep_days, epoch, body, encoding)
  SELECT id, keep_days, claim, body, encoding FROM settled WHERE state = %(succeeded)s)
"""  # noqa: S608  # built from a constant
_SETTLE = Statement(f"{SETTLE} SELECT id, state FROM settled", SettledRow)  # noqa: S608
# Of those that were not settled, the ones that still are this claim's: a lock was in the way.
_LOCKED = Statement(
    """
SELECT job.id FROM unnest(%(jobs)b::uuid[], %(epochs)b::int[]) AS verdict(id, epoch)
JOIN jobs_job job USING (id, epoch)
WHERE job.batch_id = %(batch)s AND job.state = ANY(%(sources)b::text[])
""",
    UUID,
)

_CLOSE = Statement("""
UPDATE jobs_batch
SET finished_at = CASE WHEN %(done)s THEN now() END, claim_s = %(claim_s)s, lane_s = %(lane_s)s,
    ran_s = %(ran_s)s, succeeded = succeeded + %(succeeded)s, failed = failed + %(failed)s,
    released = released + %(released)s, fenced = fenced + %(fenced)s
WHERE id = %(batch)s AND finished_at IS NULL
""")

# The event is of the audit, which keeps no content and cannot be changed; the message can be erased.
_NOTE = Statement("""
WITH event AS (
  INSERT INTO jobs_event (job_id, kind, actor, epoch, detail)
  VALUES (%(job)s, 'failed', 'worker', %(epoch)s, %(detail)s::jsonb) RETURNING id, job_id
)
INSERT INTO jobs_attemptmessage (event_id, job_id, message) SELECT id, job_id, %(message)s FROM event
""")

_NOTIFY = Statement("SELECT pg_notify(jobs_channel(%(channel)s), %(payload)s)")


def settle(
    connection: sa.Connection,
    *,
    batch: UUID,
    verdicts: Sequence[Verdict],
    times: StageTimes = NO_TIMES,
    worker: str = "",
) -> tuple[list[Settled], set[UUID]]:
    """Store `verdicts` of the node `worker`, close `batch`, notify; return what changed, and is locked."""
    settled = store(connection, batch=batch, verdicts=verdicts, worker=worker)
    locked = close(connection, batch=batch, verdicts=verdicts, settled=settled, times=times)
    return settled, locked


def store(
    connection: sa.Connection,
    *,
    batch: UUID,
    verdicts: Sequence[Verdict],
    worker: str,
) -> list[Settled]:
    """Store `verdicts` and what follows from them; return what changed. `close` is to follow."""
    rows = run(connection, _SETTLE, arrays(verdicts, [batch] * len(verdicts)))
    settled = [Settled(row.id, State(row.state)) for row in rows]
    states = {row.job: row.state for row in settled}
    _follow_failures(connection, origin_of(batch, worker), states, verdicts)
    return settled


def close(
    connection: sa.Connection,
    *,
    batch: UUID,
    verdicts: Sequence[Verdict],
    settled: Sequence[Settled],
    times: StageTimes,
    steps: StepCounts = NO_STEPS,
) -> set[UUID]:
    """Count in the row of `batch` what its `verdicts` changed, end it, notify; return the locked jobs.

    It stays open while some are locked.
    """
    locked = set[UUID]() if len(settled) == len(verdicts) else _locked(connection, batch, verdicts, settled)
    succeeded = sum(row.state is State.SUCCEEDED for row in settled) - steps.fallen
    run(
        connection,
        _CLOSE,
        {
            "batch": batch,
            **times._asdict(),
            "succeeded": succeeded,
            "failed": len(settled) - succeeded - steps.onward,
            "released": steps.onward,
            "fenced": len(verdicts) - len(settled) - len(locked),
            "done": not locked,
        },
    )
    run(connection, _NOTIFY, {"channel": SETTLED, "payload": f"batch:{batch}"})
    return locked


def origin_of(batch: UUID, worker: str) -> dict[str, str]:
    """Return what the Event of a failed attempt says of where it ran."""
    return {"batch": str(batch), "worker": worker}


def _locked(
    connection: sa.Connection, batch: UUID, verdicts: Sequence[Verdict], settled: Sequence[Settled]
) -> set[UUID]:
    done = {row.job for row in settled}
    left = [verdict for verdict in verdicts if verdict.job not in done]
    parameters = {
        "jobs": [verdict.job for verdict in left],
        "epochs": [verdict.epoch for verdict in left],
        "batch": batch,
        "sources": sources(Verb.SETTLE),
    }
    return set(run(connection, _LOCKED, parameters))


def arrays(verdicts: Sequence[Verdict], batches: Sequence[UUID], *, least: int = 0) -> dict[str, Any]:
    """Return the parameters of `SETTLE`; `batches` holds the batch of each verdict."""
    failures = [v.outcome if isinstance(v.outcome, Failure) else None for v in verdicts]
    return {
        "jobs": [v.job for v in verdicts],
        "epochs": [v.epoch for v in verdicts],
        "claims": list(batches),
        "states": [v.state.value for v in verdicts],
        "bodies": [v.outcome.body if isinstance(v.outcome, Success) else None for v in verdicts],
        "encodings": [v.outcome.encoding if isinstance(v.outcome, Success) else None for v in verdicts],
        "kinds": [f.kind.value if f else "" for f in failures],
        "codes": [f.code if f else "" for f in failures],
        "sources": sources(Verb.SETTLE),
        "expired": target(Verb.EXPIRE),
        "late_kind": FailureKind.TIMEOUT,
        "late_code": DEADLINE_CODE,
        "waiting": State.WAITING,
        "succeeded": State.SUCCEEDED,
        "least": least,
    }


def _follow_failures(
    connection: sa.Connection, origin: dict[str, str], states: dict[UUID, State], verdicts: Sequence[Verdict]
) -> None:
    failed = [v for v in verdicts if v.job in states and isinstance(v.outcome, Failure)]
    if not failed:
        return
    note_failed(connection, origin, states, failed)
    enqueue(connection, {v.job: _delay_s(v) for v in failed if states[v.job] is State.WAITING})
    dead = [v for v in failed if states[v.job] is State.DEAD]
    if dead:
        bury(connection, [_dead_letter(verdict) for verdict in dead])


def note_failed(
    connection: sa.Connection, origin: dict[str, str], states: Mapping[UUID, State], failed: Sequence[Verdict]
) -> None:
    """Append the Events of failed attempts, given the state that each job is in now."""
    run_many(connection, _NOTE, [_event(v, states[v.job], origin) for v in failed])


def _delay_s(verdict: Verdict) -> float:
    return verdict.after.delay_s if isinstance(verdict.after, RetryAfter) else 0.0


def _event(verdict: Verdict, state: State, origin: dict[str, str]) -> dict[str, Any]:
    detail = {**attempt_detail(verdict, origin), **_what_followed(verdict, state)}
    event = {"job": verdict.job, "epoch": verdict.epoch, "detail": json.dumps(detail)}
    return event | {"message": attempt_message(verdict)}


def attempt_detail(verdict: Verdict, origin: dict[str, str]) -> dict[str, Any]:
    """Return what the Event of a failed attempt says: kind and code, where it ran, and its number."""
    failure = _failure(verdict)
    # A model may name an exception after its input, and an event outlives an erased job.
    code = failure.known.code if failure.known else failure.code
    return {"kind": failure.kind.value, "code": code, **origin, "attempt": verdict.attempt}


def attempt_message(verdict: Verdict) -> str:
    """Return the message of a failed attempt as it is stored beside its Event."""
    return _failure(verdict).message[:EVENT_CHARS]


def _what_followed(verdict: Verdict, state: State) -> dict[str, Any]:
    if state is State.EXPIRED:
        return {"reason": "its deadline passed while it ran"}
    if isinstance(verdict.after, RetryAfter):
        return {"delay_s": round(verdict.after.delay_s, 3)}
    return {"reason": verdict.after.reason if verdict.after else ""}


def _dead_letter(verdict: Verdict) -> dict[str, Any]:
    failure = _failure(verdict)
    return {
        "job_id": verdict.job,
        "epoch": verdict.epoch,
        "kind": failure.kind.value,
        "code": failure.code,
        "message": failure.message,
        "traceback": failure.traceback,
        "fingerprint": failure.fingerprint,
        "reason": verdict.after.reason if isinstance(verdict.after, Bury) else "",
        "words": failure.words.body if failure.words else None,
        "words_encoding": failure.words.encoding if failure.words else "",
    }


def _failure(verdict: Verdict) -> Failure:
    if isinstance(verdict.outcome, Failure):
        return verdict.outcome
    raise TypeError("a success leaves no dead letter")

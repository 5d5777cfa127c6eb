"""Settle a batch with jobs of cascades: the steps that ended first, then verdicts, in one transaction.

An answer that is enough is stored as any other. One that is not sends its job on, where its deadline has
not passed and the next version is staged. Where a later step failed or came too late, the answer of the
step before stands, unless the cascade says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.cascades.step_ends import (
    SENTENCES,
    Hindrance,
    StepCounts,
    StepEnd,
    StepVerdict,
    hindered,
    hindrance_code,
)
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.stages import NO_TIMES, StageTimes
from jobs.core.states import State, Verb, target
from jobs.services.lifecycle.cascading.degrade import Fall, fall_back, note_fallen
from jobs.services.lifecycle.cascading.escalate import LockedStep, escalate, lock_steps
from jobs.services.lifecycle.cascading.settle_degraded import store_degraded
from jobs.services.lifecycle.cascading.step_rows import EndedStep, insert_steps
from jobs.services.lifecycle.rerouting.settle_watched import count_firsts, rescue_failed
from jobs.services.lifecycle.rerouting.tallies import WatchedBatch
from jobs.services.lifecycle.settle import Settled, Verdict, close, note_failed, origin_of, store

QUEUED = target(Verb.ESCALATE)


@dataclass(slots=True)
class _Sorted:
    """A batch's verdicts by what becomes of their jobs; those of locked jobs are in none."""

    onward: list[Verdict] = field(default_factory=list)
    degraded: list[Verdict] = field(default_factory=list)
    late: list[Verdict] = field(default_factory=list)
    failed: list[Verdict] = field(default_factory=list)
    plain: list[Verdict] = field(default_factory=list)


def settle_steps(
    connection: sa.Connection,
    *,
    batch: WatchedBatch,
    version: int,
    verdicts: Sequence[Verdict],
    times: StageTimes = NO_TIMES,
    worker: str = "",
) -> tuple[list[Settled], set[UUID]]:
    """Do what `settle` does for a batch of `version` in which some verdicts have steps."""
    origin = origin_of(batch.batch, worker)
    steps = [_ended(verdict, verdict.step) for verdict in verdicts if verdict.step is not None]
    locked = lock_steps(connection, batch.batch, steps)
    others = [verdict for verdict in verdicts if verdict.step is None]
    rescued = rescue_failed(connection, batch, others, origin)
    some = _sorted(verdicts, locked)
    some.plain += [verdict for verdict in others if verdict.job not in rescued.jobs | rescued.unsettled]
    settled = [Settled(job, QUEUED) for job in sorted(rescued.jobs)]
    settled += _go_on(connection, some.onward, batch.batch, version, worker)
    fallen = _fall_back(connection, some, origin)
    settled += [Settled(job, State.SUCCEEDED) for job in sorted(fallen)]
    # An answer that was erased, or whose time was over, cannot stand.
    some.plain += [verdict for verdict in [*some.late, *some.failed] if verdict.job not in fallen]
    ends = _stored(connection, batch.batch, some, worker)
    _note_ends(connection, [*some.plain, *some.degraded], ends, batch=batch.batch, version=version)
    settled += ends
    count_firsts(connection, batch, settled)
    counts = StepCounts(len(some.onward), len(fallen))
    left = close(connection, batch=batch.batch, verdicts=verdicts, settled=settled, times=times, steps=counts)
    return settled, left


def refused(verdict: Verdict, step: StepVerdict) -> Verdict:
    """Return the verdict on a job that cannot go on, and whose cascade has it fail then."""
    by = step.hindrance or Hindrance.NOT_STAGED
    sentence = SENTENCES[by]
    failure = Failure(FailureKind.REFUSED, hindrance_code(by), sentence)
    return msgspec.structs.replace(verdict, outcome=failure, after=Bury(sentence), step=step)


def _ended(verdict: Verdict, step: StepVerdict) -> EndedStep:
    kept = verdict.outcome if step.goto and isinstance(verdict.outcome, Success) else None
    return EndedStep(verdict.job, verdict.epoch, step, kept)


def _sorted(verdicts: Sequence[Verdict], locked: dict[UUID, LockedStep]) -> _Sorted:
    some = _Sorted()
    for verdict in verdicts:
        row, step = locked.get(verdict.job), verdict.step
        if row is None or step is None:
            continue
        if row.late and step.falls_back:
            some.late.append(verdict)
        elif row.late:
            some.plain.append(msgspec.structs.replace(verdict, step=_final(step)))  # it expires
        elif isinstance(verdict.after, RetryAfter):
            some.plain.append(msgspec.structs.replace(verdict, step=None))  # the step has not ended
        elif step.goto and not row.staged:
            _add(some, _hindered(verdict, step))
        else:
            _add(some, verdict)
    return some


def _add(some: _Sorted, verdict: Verdict) -> None:
    step = verdict.step
    if step is None:
        some.plain.append(verdict)
    elif step.goto:
        some.onward.append(verdict)
    elif isinstance(verdict.outcome, Success):
        (some.degraded if step.degraded else some.plain).append(verdict)
    elif step.falls_back:
        some.failed.append(verdict)
    else:
        some.plain.append(verdict)


def _final(step: StepVerdict) -> StepVerdict:
    return msgspec.structs.replace(step, goto=0, why=StepEnd.EXPIRED)


def _hindered(verdict: Verdict, step: StepVerdict) -> Verdict:
    stopped = hindered(step, Hindrance.NOT_STAGED)
    if stopped.degraded:
        return msgspec.structs.replace(verdict, step=stopped)
    return refused(verdict, stopped)


def _go_on(
    connection: sa.Connection, verdicts: Sequence[Verdict], batch: UUID, version: int, worker: str
) -> list[Settled]:
    steps = [_ended(verdict, verdict.step) for verdict in verdicts if verdict.step is not None]
    escalate(connection, steps, batch=batch, worker=worker)
    insert_steps(connection, steps, batch=batch, version=version)
    return [Settled(verdict.job, QUEUED) for verdict in verdicts]


def _fall_back(connection: sa.Connection, some: _Sorted, origin: dict[str, str]) -> set[UUID]:
    falls = [Fall(verdict.job, StepEnd.EXPIRED, origin) for verdict in some.late]
    falls += [Fall(verdict.job, StepEnd.FAILED, origin) for verdict in some.failed]
    rows = fall_back(connection, falls)
    fallen = {row.id for row in rows}
    failed = [v for v in [*some.late, *some.failed] if v.job in fallen and isinstance(v.outcome, Failure)]
    if failed:
        # What comes too late is not tried again, whatever its verdict says.
        ends = dict.fromkeys((v.job for v in some.failed), State.SUCCEEDED)
        ends |= dict.fromkeys((v.job for v in some.late), State.EXPIRED)
        note_failed(connection, origin, ends, failed)
    note_fallen(connection, rows, falls, actor="worker")
    return fallen


def _stored(connection: sa.Connection, batch: UUID, some: _Sorted, worker: str) -> list[Settled]:
    ends = list[Settled]()
    if some.plain:
        ends += store(connection, batch=batch, verdicts=some.plain, worker=worker)
    if some.degraded:
        ends += store_degraded(connection, batch, some.degraded)
    return ends


def _note_ends(
    connection: sa.Connection,
    verdicts: Sequence[Verdict],
    ends: Sequence[Settled],
    *,
    batch: UUID,
    version: int,
) -> None:
    """Write the steps of jobs that ended with the verdicts on them."""
    stored = {row.job for row in ends}
    steps = [_ended(v, v.step) for v in verdicts if v.step is not None and v.job in stored]
    insert_steps(connection, steps, batch=batch, version=version)

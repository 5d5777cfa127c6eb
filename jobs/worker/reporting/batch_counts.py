"""Counts a settled batch: how long its jobs were in each stage, how they ended, and how they failed.

The stages from outbox to settle are taken from the same marks as the whole, so they add up to it. A job's
first claim counts from its commit; a later one from the time in the job's id, because the marks are those of
the last wait alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from uuid import UUID

from prometheus_client import Histogram

from jobs import metrics
from jobs.core.failures import Failure
from jobs.core.ids import unix_ms_of
from jobs.core.stages import Stage, waits
from jobs.core.states import TERMINAL, State
from jobs.db import database_clock
from jobs.metrics.bulk_observe import observe_many, observe_times
from jobs.metrics.busiest_names import FirstNames
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Verdict
from jobs.worker.stages.claimed_batch import ClaimedBatch

MOST_CODES = 50
_codes = FirstNames(MOST_CODES)
States = Mapping[UUID, State]


def count_settled(batch: ClaimedBatch, verdicts: Sequence[Verdict], states: States) -> None:
    """Count a stored batch; `states` are those of the jobs that the settle changed."""
    if not batch.is_rest:
        _count_batch(batch)
    _observe_shared(batch)
    _observe_waits(batch)
    _count_ends(batch, states)
    for verdict in verdicts:
        if isinstance(verdict.outcome, Failure):
            _count_failure(verdict.outcome, states.get(verdict.job))


def _count_batch(batch: ClaimedBatch) -> None:
    metrics.BATCHES.labels(batch.model, batch.seal_reason.value).inc()
    metrics.BATCH_SIZE.labels(batch.model).observe(len(batch.jobs))
    units = [delivery.units for delivery in batch.deliveries]
    longest = max(units, default=1)
    if longest > 1:  # an input counts as 1 where nothing is padded
        metrics.PADDING.labels(batch.model).observe(1 - sum(units) / (longest * len(units)))


def _observe_shared(batch: ClaimedBatch) -> None:
    """Observe the stages that a batch's jobs share; of a batch that never ran, no run."""
    times, jobs = batch.times, len(batch.jobs)
    ran_s = 0.0
    if times.ran_s is not None:
        ran_s = times.ran_s
        observe_times(_stage(batch.model, Stage.RUN), ran_s, jobs)
    observe_times(_stage(batch.model, Stage.CLAIM), times.claim_s or 0.0, jobs)
    observe_times(_stage(batch.model, Stage.LANE), times.lane_s or 0.0, jobs)
    settle_s = batch.settled_at - batch.lane_ended - ran_s
    observe_times(_stage(batch.model, Stage.SETTLE), settle_s, jobs)


def _observe_waits(batch: ClaimedBatch) -> None:
    """Observe the stages before the seal, which each job has for itself."""
    split = [
        waits(
            due_ago_s=job.due_ago_s,
            published_ago_s=job.published_ago_s,
            buffered_s=batch.sealed_at - delivery.parcel.received_at,
            sealed_ago_s=job.sealed_ago_s,
        )
        for job, delivery in zip(batch.jobs, batch.deliveries, strict=True)
        if job.due_ago_s is not None and job.sealed_ago_s is not None
    ]
    for stage, values in zip(
        (Stage.OUTBOX, Stage.BROKER, Stage.BUFFER), zip(*split, strict=True), strict=False
    ):
        observe_many(_stage(batch.model, stage), values)


def _count_ends(batch: ClaimedBatch, states: States) -> None:
    since_seal_s, now_s = batch.settled_at - batch.sealed_at, database_clock.now_s()
    by_state: dict[State | None, list[float]] = {}
    for job in batch.jobs:
        by_state.setdefault(states.get(job.job), []).append(_whole_s(job, since_seal_s, now_s))
    for state, seconds in by_state.items():
        if state is None:
            metrics.VERDICTS_FENCED.labels(batch.model).inc(len(seconds))
            continue
        metrics.JOBS_SETTLED.labels(batch.model, state.value).inc(len(seconds))
        if state in TERMINAL:
            observe_many(_whole(batch.model, state), seconds)


def _whole_s(job: Claimed, since_seal_s: float, now_s: float) -> float:
    """Return the seconds from a job's creation until now."""
    if job.epoch == 1 and job.due_ago_s is not None and job.sealed_ago_s is not None:
        return max(job.due_ago_s - job.sealed_ago_s, 0.0) + since_seal_s
    return max(now_s - unix_ms_of(job.job) / 1_000, 0.0)


def _count_failure(failure: Failure, state: State | None) -> None:
    # A model may name an exception after its input, but not the class that it loads from its code.
    code = _codes.label(failure.known.code if failure.known else failure.code)
    if state is State.WAITING:
        metrics.RETRIES.labels(failure.kind.value, code).inc()
    elif state is State.DEAD:
        metrics.DEATHS.labels(failure.kind.value, code).inc()


@cache  # `labels` costs as much as all else
def _stage(model: str, stage: Stage) -> Histogram:
    return metrics.STAGE_TIME.labels(model, stage.value)


@cache
def _whole(model: str, state: State) -> Histogram:
    return metrics.JOB_TIME.labels(model, state.value)

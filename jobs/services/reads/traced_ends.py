"""The spans of traced jobs that end without a worker: cancelled, expired, or answered by another job.

They read their jobs' rows once more, so only where traces are on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.states import State
from jobs.db.statement import Statement, fetch_all, run
from jobs.tracing import trace_switch
from jobs.tracing.call_traces import kept_by
from jobs.tracing.harmless import harmless
from jobs.tracing.open_span import Value, messaging
from jobs.tracing.trace_context import TraceContext, kept_context

LOST = "worker_lost"


class TracedEnd(NamedTuple):
    """A traced job; `leader` is the span of the job that answers it, and `at` is now for a live job."""

    id: UUID
    model: str
    state: str
    code: str
    began: datetime
    at: datetime
    traceparent: str
    leader: str | None


_TRACED = Statement(
    """
SELECT job.id, job.queue AS model, job.state, job.error_code AS code, job.created_at AS began,
  COALESCE(job.finished_at, now()) AS at, input.traceparent, theirs.traceparent AS leader
FROM jobs_job job JOIN jobs_jobinput input ON input.job_id = job.id
LEFT JOIN jobs_jobresult result ON result.job_id = job.id
LEFT JOIN jobs_jobinput theirs ON theirs.job_id = result.source
WHERE job.id = ANY(%(jobs)s::uuid[]) AND input.traceparent IS NOT NULL
""",
    TracedEnd,
)


class _LostBatch(NamedTuple):
    claimed_at: datetime
    size: int
    version: int
    seal_reason: str


_BATCH = Statement(
    "SELECT claimed_at, size, version_id AS version, seal_reason FROM jobs_batch WHERE id = %(batch)s",
    _LostBatch,
)


@harmless
def trace_ends(jobs: Sequence[UUID], session: sa.Connection | None = None) -> None:
    """Record the spans of those of `jobs`, which have ended, that are traced; only where `tracing.on`.

    They are read by `session`, or else by this thread's own connection.
    """
    for job in _read(jobs, session):
        failed = job.state in (State.DEAD, State.EXPIRED)
        _record(job, {"inference.outcome": job.state}, (job.code or job.state) if failed else "")


@harmless
def trace_losses(batch: UUID, jobs: Sequence[UUID], session: sa.Connection) -> None:
    """Record the attempts of traced jobs that were lost with their worker, and the span of their batch.

    The worker has taken its own spans along.
    """
    lost = _read(jobs, session)
    links = [_lost_batch(batch, lost, session)] if lost else []
    for job in lost:
        attributes = {"inference.outcome": job.state, "inference.batch": str(batch)}
        _record(job, attributes, job.code or LOST, links=links)


def _lost_batch(batch: UUID, members: Sequence[TracedEnd], session: sa.Connection) -> TraceContext:
    """Record the span of a batch whose worker is gone, from its claim until now, and return its place."""
    (row,) = run(session, _BATCH, {"batch": batch})
    model = members[0].model
    span = trace_switch.recorder().start(
        f"process infer.{model}",
        "consumer",
        links=kept_by(member.traceparent for member in members),
        attributes=messaging("process", "process", model)
        | {
            "messaging.batch.message_count": row.size,
            "inference.batch": str(batch),
            "inference.version": str(row.version),
            "inference.seal_reason": row.seal_reason,
        },
        at_ns=_ns(row.claimed_at),
    )
    span.fail(LOST)
    span.end()
    return span.place


def _read(jobs: Sequence[UUID], session: sa.Connection | None) -> list[TracedEnd]:
    if not jobs:
        return []
    parameters = {"jobs": list(jobs)}
    return fetch_all(_TRACED, parameters) if session is None else run(session, _TRACED, parameters)


def _record(
    job: TracedEnd, attributes: Mapping[str, Value], error: str, *, links: Sequence[TraceContext] = ()
) -> None:
    span = trace_switch.recorder().start(
        f"infer {job.model}",
        parent=kept_context(job.traceparent),
        links=[*kept_by([job.leader]), *links],
        attributes={"messaging.message.id": str(job.id), **attributes},
        at_ns=_ns(job.began),
    )
    if error:
        span.fail(error)
    span.end(_ns(job.at))


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1e9)

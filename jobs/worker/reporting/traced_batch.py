"""The spans of one settled batch: its own, linked to its traced members, and one in each member's own trace.

They are made from the batch's marks once it is stored, so that a batch without a traced member costs one look
at its jobs. A worker that dies takes the spans of its batches with it: the relay, which takes the jobs back,
records one for the batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from jobs.core.failures import Failure, FailureKind
from jobs.core.states import State
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.tracing import trace_switch
from jobs.tracing.call_traces import kept_by
from jobs.tracing.harmless import harmless
from jobs.tracing.open_span import OpenSpan, Value, messaging
from jobs.tracing.trace_context import TraceContext, context_of, kept_context
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.stages.claimed_batch import ClaimedBatch

FENCED = "fenced"  # the verdict came too late
FAILED = (State.DEAD, State.EXPIRED)


class _TracedMember(NamedTuple):
    job: Claimed
    delivery: MessageDelivery
    outcome: str
    error: str


@harmless
def trace_batch(batch: ClaimedBatch, verdicts: Sequence[Verdict], settled: Iterable[Settled]) -> None:
    """Record the spans of a batch that was just stored; nothing where no member is traced."""
    if any(job.traceparent for job in batch.jobs):
        _BatchSpans(batch).record(list(_members(batch, verdicts, settled)))


def _members(
    batch: ClaimedBatch, verdicts: Sequence[Verdict], settled: Iterable[Settled]
) -> Iterator[_TracedMember]:
    states: dict[UUID, State] = {row.job: row.state for row in settled}
    errors = {v.job: v.outcome.code for v in verdicts if isinstance(v.outcome, Failure)}
    for job, delivery in zip(batch.jobs, batch.deliveries, strict=True):
        if job.traceparent:
            state = states.get(job.job)
            yield _TracedMember(job, delivery, state.value if state else FENCED, errors.get(job.job, ""))


class _BatchSpans:
    """Makes the spans of one batch; monotonic times become those of the wall clock as it is now."""

    def __init__(self, batch: ClaimedBatch) -> None:
        self._batch, self._recorder = batch, trace_switch.recorder()
        self._now_ns = time.time_ns()
        self._offset_ns = self._now_ns - int(time.monotonic() * 1e9)

    def record(self, members: Sequence[_TracedMember]) -> None:
        """Record all of them."""
        batch, links = self._batch, kept_by(member.job.traceparent for member in members)
        began_s = batch.load[0] if batch.load else batch.sealed_at or batch.claimed_at
        process = self._recorder.start(
            f"process infer.{batch.model}",
            "consumer",
            links=links,
            attributes=self._of_batch(),
            at_ns=self._at(began_s),
        )
        self._stages(process.place)
        self._events(process)
        process.end(self._now_ns)
        for member in members:
            self._member(member, process.place)

    def _of_batch(self) -> dict[str, Value]:
        batch = self._batch
        return messaging("process", "process", batch.model) | {
            "messaging.batch.message_count": len(batch.jobs),
            "inference.batch": str(batch.id),
            "inference.version": str(batch.key),
            "inference.seal_reason": batch.seal_reason.value,
        }

    def _stages(self, process: TraceContext) -> None:
        batch, now_s = self._batch, (self._now_ns - self._offset_ns) / 1e9
        stages = {"claim": (batch.claimed_at, batch.claim_ended)}
        if batch.load:
            stages["load"] = batch.load
        if batch.collated_at:
            stages["collate"] = (batch.claim_ended, batch.collated_at)
        if batch.run_began is not None:
            stages["run"] = (batch.run_began, batch.run_began + batch.ran_s)
        stages["settle"] = (now_s - batch.settle_s, now_s)
        for name, (began_s, ended_s) in stages.items():
            span = self._recorder.start(name, parent=process, at_ns=self._at(began_s))
            span.end(self._at(ended_s))

    def _events(self, process: OpenSpan) -> None:
        for split in self._batch.splits:
            name = "out_of_memory" if split.kind is FailureKind.RESOURCE else "bisect"
            process.event(name, self._at(split.at), jobs=split.jobs, kind=split.kind.value)

    def _member(self, member: _TracedMember, process: TraceContext) -> None:
        """Record one attempt: from the job's creation, or from when a retry was due, until it was stored."""
        job, model = member.job, self._batch.model
        published = context_of(member.delivery.parcel.message.headers.get("traceparent"))
        attributes: dict[str, Value] = {
            "messaging.message.id": str(job.job),
            "inference.batch": str(self._batch.id),
            "inference.attempt": job.attempts,
            "inference.outcome": member.outcome,
        }
        span = self._recorder.start(
            f"infer {model}",
            parent=kept_context(job.traceparent or ""),
            links=[process, published] if published else [process],
            attributes=attributes,
            at_ns=self._at(self._batch.claim_ended - (job.due_ago_s or 0.0)),
        )
        if member.error or member.outcome in FAILED:
            span.fail(member.error or member.outcome)
        span.end(self._now_ns)

    def _at(self, monotonic_s: float) -> int:
        return int(monotonic_s * 1e9) + self._offset_ns

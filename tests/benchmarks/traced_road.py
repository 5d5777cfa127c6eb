"""The hooks of traces on a job's whole road alone: off, at one job in a hundred, and at every job.

Each round takes the three in turn, so that what else the machine does meets all of them alike. Exports go
nowhere, but are encoded; the thread that does it shares the interpreter, so its time counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

from jobs import tracing
from jobs.broker.job_message import outgoing
from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Success
from jobs.core.messages.envelope import Envelope
from jobs.core.states import State
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.services.relay.statements import DueRow
from jobs.services.relay.traced_publish import TracedPublish
from jobs.tracing import call_traces, trace_switch
from jobs.worker.reporting.traced_batch import trace_batch
from jobs.worker.stages.claimed_batch import ClaimedBatch

BATCH, ROUNDS, JOBS = 64, 15, 1_280
MODEL = "echo"
SHARES = {"off": None, "1 % sampled": "0.01", "all sampled": "1"}


def rounds() -> dict[str, list[float]]:
    """Return the microseconds a job that each share costs over the road without hooks, round by round."""
    spent: dict[str, list[float]] = {name: [] for name in SHARES}
    for _ in range(ROUNDS):
        bare = _us_a_job(None, hooks=False)
        for name, ratio in SHARES.items():
            spent[name].append(_us_a_job(ratio, hooks=True) - bare)
    return spent


def _us_a_job(ratio: str | None, *, hooks: bool) -> float:
    with _recording(ratio):
        began = time.process_time()
        for _ in range(JOBS // BATCH):
            _road(hooks=hooks)
        if ratio is not None:
            trace_switch.recorder().flush()
        return (time.process_time() - began) / JOBS * 1e6


def _road(*, hooks: bool) -> None:
    """Take a batch of jobs, one a call, through the hooks of web, relay and worker."""
    ids = [uuid4() for _ in range(BATCH)]
    places = [_call(job) if hooks else None for job in ids]
    rows = [DueRow(Envelope(job, 0, 1, 4), 0.0, traceparent=p) for job, p in zip(ids, places, strict=True)]
    traced = TracedPublish(MODEL, rows) if hooks and tracing.on else None
    for row in rows:
        outgoing(MODEL, [row.envelope], traceparent=traced.header([row]) if traced else None)
    if traced:
        traced.end(BATCH, BATCH)
    batch = _batch(ids, places)
    if hooks and tracing.on:
        verdicts = [Verdict(job, 1, Success(b"1")) for job in ids]
        trace_batch(batch, verdicts, [Settled(job, State.SUCCEEDED) for job in ids])


def _call(job: UUID) -> str | None:
    """Make the calls of the hooks of one submit, in their order."""
    if not tracing.on:
        return None
    call = call_traces.begin("POST", "/api/v1/jobs", "http", None)
    if call is not None:
        call.decide(1)
    made = call_traces.traced()
    places = made.create([(job, MODEL)]) if made else [None]
    if made := call_traces.traced():
        made.stored([job])
    if call is not None:
        call.end(202)
    return places[0]


def _batch(ids: Sequence[UUID], places: Sequence[str | None]) -> ClaimedBatch:
    now = time.monotonic()
    delivery: Any = SimpleNamespace(parcel=SimpleNamespace(message=SimpleNamespace(headers={})))
    jobs = [
        Claimed(job, 1, 1, 3, b"{}", None, traceparent=place) for job, place in zip(ids, places, strict=True)
    ]
    return ClaimedBatch(
        uuid4(), 1, BATCH, SealReason.FULL, [delivery] * BATCH, jobs=jobs, model=MODEL, sealed_at=now,
        claimed_at=now, claim_ended=now, collated_at=now, run_began=now,
    )  # fmt: skip


@contextmanager
def _recording(ratio: str | None) -> Iterator[None]:
    if ratio is None:
        yield
        return
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from jobs.tracing.span_recorder import SpanRecorder

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            encode_spans(spans).SerializeToString()
            return SpanExportResult.SUCCESS

    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}
    with patch.dict(os.environ, {**sampler, "OTEL_BSP_MAX_QUEUE_SIZE": "100000"}):
        recorder = SpanRecorder("benchmark", Nowhere())
    trace_switch.use(recorder)
    try:
        yield
    finally:
        trace_switch.use(None)
        recorder.stop()

"""A settled batch with traced members has a span of its own, its stages, and one for each such member."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import Bury
from jobs.core.states import State
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.worker.reporting.traced_batch import trace_batch
from jobs.worker.stages.claimed_batch import ClaimedBatch, Split
from tests.support.collector import collecting, traced_here

PLACE = "00-0af7651916cd43dd8448eb211c80319c-{:016x}-01"
PUBLISHED = "00-000000000000000000000000000000aa-00000000000000bb-01"
BAD = Failure(FailureKind.INVALID, "bad", "words that quote an input")


def settled_batch(count: int, traced: int, **marks: Any) -> ClaimedBatch:
    """A batch that took 40 ms from its seal, and whose jobs were due 1 s before."""
    now = time.monotonic()
    places = [PLACE.format(n) if n <= traced else None for n in range(1, count + 1)]
    jobs = [
        Claimed(UUID(int=n), 5, 1, 3, b"{}", None, due_ago_s=1.0, traceparent=place)
        for n, place in enumerate(places, 1)
    ]
    delivery: Any = SimpleNamespace(
        parcel=SimpleNamespace(message=SimpleNamespace(headers={"traceparent": PUBLISHED}))
    )
    times: dict[str, Any] = {
        "sealed_at": now - 0.04, "claimed_at": now - 0.04, "claim_ended": now - 0.03, "settle_s": 0.005,
        "collated_at": now - 0.025, "run_began": now - 0.02, "ran_s": 0.01, "lane_ended": now - 0.02,
    } | marks  # fmt: skip
    return ClaimedBatch(
        UUID(int=99), 7, 16, SealReason.FULL, [delivery] * count, jobs=jobs, model="echo", **times
    )


def verdicts(batch: ClaimedBatch, outcome: Success | Failure) -> list[Verdict]:
    after = None if isinstance(outcome, Success) else Bury("a test")
    return [Verdict(job.job, job.epoch, outcome, after) for job in batch.jobs]


def test_a_batch_links_to_each_of_a_thousand_traced_members_and_each_of_them_to_it() -> None:
    with collecting() as collector:
        with traced_here(collector):
            batch = settled_batch(1_024, 1_000)  # not before: to load the recorder takes long on a busy host
            settled = [Settled(job.job, State.SUCCEEDED) for job in batch.jobs]
            trace_batch(batch, verdicts(batch, Success(b"1")), settled)
        process = collector.one("process infer.echo")
        members = collector.named("infer echo")
    assert [span for _, span in process.links] == [f"{n:016x}" for n in range(1, 1_001)]
    assert process.attributes["messaging.batch.message_count"] == 1_024
    assert {span.parent for span in members} == {span for _, span in process.links}
    publish = ("0" * 30 + "aa", "0" * 14 + "bb")
    assert all(span.links == [process.place, publish] for span in members)
    assert all(0.95e9 < span.ended_ns - span.began_ns < 1.5e9 for span in members)


def test_its_stages_are_its_children_in_their_times_and_what_failed_together_its_events() -> None:
    now = time.monotonic()
    splits = [Split(now, 4, FailureKind.RESOURCE), Split(now, 2, FailureKind.INTERNAL)]
    batch = settled_batch(1, 1, splits=splits, load=(now - 9.0, now - 8.0))
    with collecting() as collector:
        with traced_here(collector):
            trace_batch(batch, verdicts(batch, BAD), [Settled(UUID(int=1), State.DEAD)])
        process, infer = collector.one("process infer.echo"), collector.one("infer echo")
        stages = {span.name: span for span in collector.spans if span.parent == process.id}
    took_ms = {name: round((span.ended_ns - span.began_ns) / 1e6) for name, span in stages.items()}
    assert took_ms == {"load": 1000, "claim": 10, "collate": 5, "run": 10, "settle": 5}
    assert process.events == ["out_of_memory", "bisect"]
    assert process.began_ns == stages["load"].began_ns
    assert (infer.failed, infer.attributes["error.type"]) == (True, "bad")
    assert "quote" not in repr(collector.spans)


def test_a_late_verdict_is_seen_as_such() -> None:
    batch = settled_batch(1, 1)
    with collecting() as collector:
        with traced_here(collector):
            trace_batch(batch, verdicts(batch, Success(b"1")), [])
        assert collector.one("infer echo").attributes["inference.outcome"] == "fenced"


def test_a_batch_without_a_traced_member_has_none_and_asks_nobody() -> None:
    batch = settled_batch(3, 0)
    trace_batch(batch, verdicts(batch, Success(b"1")), [])

"""A submitting call has spans where its caller or the sampler says so, and none else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from django.conf import settings

from jobs.tracing import call_traces
from jobs.tracing.call_traces import MOST_OWN, CallTrace
from jobs.tracing.trace_context import context_of
from tests.support.collector import Collector, collecting, traced_here

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
NAME = "POST /api/v1/jobs"
PER_S = 2


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, trace_caller_per_s=PER_S))
    monkeypatch.setattr("jobs.tracing.call_traces.time.time", lambda: 5.0)
    call_traces._budget.cache_clear()
    with collecting() as collector:
        yield collector
    call_traces._budget.cache_clear()


def call(traceparent: str | None, *, client: int = 1) -> CallTrace:
    made = call_traces.begin("POST", "/api/v1/jobs", "https", traceparent)
    if made is None:
        return CallTrace("POST", "/", "https", None)
    made.decide(client)
    return made


def jobs(count: int) -> list[tuple[UUID, str]]:
    return [(UUID(int=number), "echo") for number in range(1, count + 1)]


def test_a_caller_s_flag_counts_so_many_times_a_second_and_client(collector: Collector) -> None:
    with traced_here(collector):
        traced = [call(SAMPLED, client=client).traced for client in (1, 1, 1, 2)]
        assert call_traces.current() is not None
        assert call_traces.traced() is not None
        assert not call(UNSAMPLED, client=3).traced
        assert call_traces.traced() is None
    assert traced == [True, True, False, True]


@pytest.mark.parametrize("sampler", ["parentbased_always_off", "parentbased_always_on"])
def test_without_a_caller_s_header_or_with_a_broken_one_the_sampler_decides(
    collector: Collector, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    with traced_here(collector):
        calls = [call(None), call("rubbish"), call(None)]
        for made in calls:
            made.end(202)
    assert {made.traced for made in calls} == {sampler.endswith("on")}
    assert len({span.trace for span in collector.named(NAME)}) == sum(made.traced for made in calls)


def test_each_job_keeps_the_place_of_its_own_span_up_to_a_number(collector: Collector) -> None:
    with traced_here(collector):
        made = call(SAMPLED)
        first = made.create(jobs(MOST_OWN))
        made.stored(job for job, _ in jobs(MOST_OWN))
        later = made.create(jobs(3))
        made.stored(job for job, _ in jobs(3))
        made.end(202)
    assert len(set(first)) == MOST_OWN
    assert len(set(later)) == 1
    assert len(collector.named("create echo")) == MOST_OWN + 1
    seen = {f"00-{span.trace}-{span.id}-01" for span in collector.named("create echo")}
    assert seen == {*first, *later}
    (server,) = collector.named(NAME)
    assert (server.parent, server.trace, server.failed) == (SPAN, TRACE, False)


def test_a_job_that_stood_there_already_or_could_not_be_stored_is_seen_as_such(collector: Collector) -> None:
    with traced_here(collector):
        made = call(SAMPLED)
        made.create(jobs(2))
        made.stored([UUID(int=1)])
        made.end(202)
        lost = call(SAMPLED)
        lost.create(jobs(1))
        lost.end(503)
    new, old, failed = collector.named("create echo")
    by_job = {span.attributes["messaging.message.id"]: span.attributes for span in (new, old)}
    assert by_job[str(UUID(int=2))]["inference.made"] is False
    assert "inference.made" not in by_job[str(UUID(int=1))]
    assert (failed.failed, failed.attributes["error.type"]) == (True, "not_stored")
    assert [span.failed for span in collector.named(NAME)] == [False, True]


def test_a_call_that_takes_the_other_road_after_all_creates_once(collector: Collector) -> None:
    with traced_here(collector):
        made = call(SAMPLED)
        made.create(jobs(1))
        made.decide(1)
        made.create(jobs(1))
        made.stored([UUID(int=1)])
        made.end(202)
    assert len(collector.named("create echo")) == len(collector.named(NAME)) == 1


def test_the_same_place_is_linked_once() -> None:
    assert call_traces.kept_by([SAMPLED, None, SAMPLED]) == [context_of(SAMPLED)]


def test_the_caller_s_state_goes_along_with_each_job(collector: Collector) -> None:
    with traced_here(collector):
        made = call_traces.begin("POST", "/api/v1/jobs", "https", SAMPLED, "vendor=a,b=c")
        assert made is not None
        made.decide(1)
        (kept,) = made.create(jobs(1))
        made.stored([UUID(int=1)])
        made.end(202)
    assert kept.endswith(";vendor=a,b=c")
    assert {span.state for span in collector.spans} == {"vendor=a,b=c"}

"""Spans reach a collector whole; a collector that is away, slow or broken costs spans, which are counted."""

from __future__ import annotations

import time

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from jobs.metrics import SPANS_DROPPED
from jobs.tracing.span_recorder import SpanRecorder
from jobs.tracing.trace_context import TraceContext
from tests.support.collector import collecting, traced_here

MANY = 1_000
CALLER = TraceContext(0xABC, 0xDEF)


def lost() -> float:
    return float(SPANS_DROPPED._value.get())


def test_no_link_of_a_thousand_is_dropped() -> None:
    members = [TraceContext(1, number) for number in range(1, MANY + 1)]
    with collecting() as collector:
        with traced_here(collector) as recorder:
            recorder.start("batch", "consumer", links=members).end()
        assert len(collector.one("batch").links) == MANY


def test_a_span_stands_where_its_parent_says_and_a_root_in_the_trace_it_was_decided_by() -> None:
    with collecting() as collector:
        with traced_here(collector, "web") as recorder:
            recorder.start("child", parent=CALLER, attributes={"a": 1}, at_ns=5).end(9)
            decided = recorder.root(None, "root")
            assert decided is not None
            recorder.start("root", "server", parent=decided).end()
            recorder.start("other").end()
        child, root, other = (collector.one(name) for name in ("child", "root", "other"))
    assert (child.trace, child.parent) == (f"{CALLER.trace_id:032x}", f"{CALLER.span_id:016x}")
    assert (child.attributes, child.began_ns, child.ended_ns) == ({"a": 1}, 5, 9)
    assert (root.trace, root.parent) == (f"{decided.trace_id:032x}", "")
    assert other.parent == ""
    assert len({child.trace, root.trace, other.trace}) == 3
    assert child.service == "inference-web"


def test_a_span_s_place_events_links_and_failure_arrive() -> None:
    with collecting() as collector:
        with traced_here(collector) as recorder:
            span = recorder.start("one")
            place = span.place
            span.link(CALLER)
            span.note(http__status=5)
            span.event("bisect", 7, jobs=2)
            span.fail("bad")
            span.end()
            span.end()
        seen = collector.one("one")
    assert seen.place == (f"{place.trace_id:032x}", f"{place.span_id:016x}")
    assert seen.links == [(f"{CALLER.trace_id:032x}", f"{CALLER.span_id:016x}")]
    assert seen.attributes == {"http.status": 5, "error.type": "bad"}
    assert (seen.events, seen.failed) == (["bisect"], True)


def test_the_sampler_of_opentelemetry_s_variables_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    unsampled = TraceContext(1, 2, sampled=False)

    def decisions(sampler: str, ratio: str = "") -> list[bool]:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
        recorder = SpanRecorder("test")
        recorder.stop()
        return [recorder.root(parent, "call") is not None for parent in (None, CALLER, unsampled)]

    assert decisions("parentbased_always_on") == [True, True, False]
    assert decisions("parentbased_traceidratio", "0") == [False, True, False]
    assert decisions("always_off") == [False, False, False]


@pytest.mark.parametrize("how", [{"status": 500}, {"status": 400}, {"hangs": True}, {}])
def test_a_collector_that_takes_nothing_costs_spans_and_no_more_than_two_seconds(
    how: dict[str, object],
) -> None:
    with collecting(**how) as collector:
        url = collector.url if how else "http://127.0.0.1:9"
        before, recorder = lost(), SpanRecorder("test", OTLPSpanExporter(f"{url}/v1/traces"))
        began = time.monotonic()
        for number in range(3):
            recorder.start(f"span {number}").end()
        assert time.monotonic() - began < 1.0
        began = time.monotonic()
        recorder.stop()
        assert time.monotonic() - began < 2.0
        assert lost() == before + 3
        recorder.start("late").end()
        assert lost() == before + 4


def test_spans_that_find_no_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20")
    with collecting() as collector:
        before = lost()
        with traced_here(collector) as recorder:
            held = [recorder.start("one") for _ in range(100)]
            collector.hangs = True
            for span in held:
                span.end()
            assert lost() - before == 80
            collector.hangs = False
            collector.over.set()

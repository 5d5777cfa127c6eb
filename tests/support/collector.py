"""A collector of traces: it takes OTLP over HTTP on loopback, keeps the spans, or behaves badly."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from jobs.tracing import trace_switch
from jobs.tracing.span_recorder import SpanRecorder
from tests.support.wait import wait_until


@dataclass(frozen=True)
class SeenSpan:
    """A span as it arrived; ids in hex, `links` are (trace, span)."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: list[tuple[str, str]]
    attributes: dict[str, Any]
    events: list[str]
    began_ns: int
    ended_ns: int
    failed: bool
    service: str
    state: str

    @property
    def place(self) -> tuple[str, str]:
        return self.trace, self.id


@dataclass
class Collector:
    """What came, and how to answer; `hangs` never does."""

    url: str = ""
    spans: list[SeenSpan] = field(default_factory=list)
    requests: int = 0
    status: int = 200
    hangs: bool = False
    over: Event = field(default_factory=Event)

    def named(self, name: str) -> list[SeenSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> SeenSpan:
        (span,) = self.named(name)
        return span

    def wait_for(self, name: str, number: int = 1) -> list[SeenSpan]:
        wait_until(lambda: len(self.named(name)) >= number, limit_s=30)
        return self.named(name)


@contextmanager
def collecting(**how: Any) -> Iterator[Collector]:
    """Run a collector for the block."""
    collector = Collector(**how)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.requests += 1
            if collector.hangs:
                collector.over.wait(60)
                return
            if collector.status == 200:
                packed = self.headers.get("Content-Encoding") == "gzip"
                collector.spans += seen_spans(gzip.decompress(body) if packed else body)
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def seen_spans(body: bytes) -> Iterator[SeenSpan]:
    """Yield the spans of one request."""
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    _values(span.attributes),
                    [event.name for event in span.events],
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    failed=span.status.code == 2,
                    service=service,
                    state=span.trace_state,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


@contextmanager
def traced_here(collector: Collector, process: str = "test") -> Iterator[SpanRecorder]:
    """Record this process's spans in the block, and export them at its end."""
    recorder = SpanRecorder(process, OTLPSpanExporter(f"{collector.url}/v1/traces", timeout=2))
    trace_switch.use(recorder)
    try:
        yield recorder
    finally:
        trace_switch.use(None)
        recorder.flush()
        recorder.stop()

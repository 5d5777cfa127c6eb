"""Records spans by OpenTelemetry's SDK, which reads its own variables; imported only where traces are on.

Every span that is started here is recorded: whether it should be was decided before. The SDK keeps 128 links
of a span and drops the rest in silence, so there is no limit: a batch links to each of its jobs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from random import getrandbits

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from jobs.tracing.open_span import Kind, Value
from jobs.tracing.span_export import SpanQueue
from jobs.tracing.trace_context import TraceContext

MOST_HELD = 2_048  # the SDK's own default
STOP_S = 1.5  # of the two seconds that a shutdown may take longer with traces
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_NO_PARENT = Context()
_LOW_BITS = TraceIdRatioBased.TRACE_ID_LIMIT


class RecordedSpan:
    """One span of the SDK: see OpenSpan."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def place(self) -> TraceContext:
        """Return its place."""
        context = self._span.get_span_context()
        return TraceContext(context.trace_id, context.span_id, state=context.trace_state.to_header())

    def link(self, place: TraceContext) -> None:
        """Link it to another span."""
        self._span.add_link(_remote(place))

    def note(self, **attributes: Value) -> None:
        """Add attributes."""
        for name, value in attributes.items():
            self._span.set_attribute(name.replace("__", "."), value)

    def event(self, name: str, at_ns: int, **attributes: Value) -> None:
        """Add an event."""
        self._span.add_event(name, attributes, at_ns)

    def fail(self, error: str) -> None:
        """Mark it as failed."""
        self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attribute("error.type", error)

    def end(self, at_ns: int | None = None) -> None:
        """End it."""
        if self._span.is_recording():
            self._span.end(at_ns)


class SpanRecorder:
    """The spans of one process."""

    def __init__(self, process: str, exporter: SpanExporter | None = None) -> None:
        """Begin to export, by OTLP over HTTP; ValueError where a variable of OpenTelemetry's is wrong."""
        most = int(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE", "").strip() or MOST_HELD)
        self._queue = SpanQueue(exporter or OTLPSpanExporter(), most)
        self._ids = _GivenIds()
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=_resource(process),
            id_generator=self._ids,
            span_limits=SpanLimits(max_links=SpanLimits.UNSET, max_events=SpanLimits.UNSET),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._queue)
        self._tracer = provider.get_tracer("inference")
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler  # that of OTEL_TRACES_SAMPLER
        self._bound = _bound_of_ratio()

    def root(self, parent: TraceContext | None, name: str) -> TraceContext | None:
        """Return the parent of a first span that is to be recorded; None where it is not.

        `parent` is the caller's, whose trace it is in. Without one the parent has no span, and a new trace.
        """
        trace_id = parent.trace_id if parent else getrandbits(128)
        if parent is None and self._bound is not None:
            return TraceContext(trace_id, 0) if trace_id & _LOW_BITS < self._bound else None
        context = _within(parent) if parent else _NO_PARENT
        if self._sampler.should_sample(context, trace_id, name).decision is not Decision.RECORD_AND_SAMPLE:
            return None
        return parent or TraceContext(trace_id, 0)

    def start(  # what a span of OpenTelemetry's begins with
        self,
        name: str,
        kind: Kind = "internal",
        *,
        parent: TraceContext | None = None,
        links: Iterable[TraceContext] = (),
        attributes: Mapping[str, Value] | None = None,
        at_ns: int | None = None,
    ) -> RecordedSpan:
        """Start a span, now unless a time is given; without a parent, or a span of it, it is a root."""
        context = _within(parent) if parent and parent.span_id else _NO_PARENT
        self._ids.of_thread.next = parent.trace_id if parent and not parent.span_id else 0
        all_links = [Link(_remote(link)) for link in links]
        span = self._tracer.start_span(name, context, _KINDS[kind], attributes, all_links, at_ns)
        return RecordedSpan(span)

    def flush(self) -> None:
        """Export what is held."""
        self._queue.force_flush()

    def stop(self) -> None:
        """Export what is held, for STOP_S at most, and nothing more."""
        self._queue.stop(STOP_S)


class _GivenIds(RandomIdGenerator):
    """Random ids, but that a root's trace has the id by which its sampling was decided."""

    def __init__(self) -> None:
        self.of_thread = threading.local()

    def generate_trace_id(self) -> int:
        given: int = getattr(self.of_thread, "next", 0)
        self.of_thread.next = 0
        return given or super().generate_trace_id()


def _bound_of_ratio() -> int | None:
    """Return the bound below which a root is sampled, where a ratio alone decides: None elsewhere.

    Asked each time, the SDK's sampler says the same, and takes 4 us of every call for it.
    """
    if os.environ.get("OTEL_TRACES_SAMPLER", "").strip() not in ("traceidratio", "parentbased_traceidratio"):
        return None
    try:
        return TraceIdRatioBased(float(os.environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip())).bound
    except ValueError:
        return None  # the SDK takes its default, and says so


def _resource(process: str) -> Resource:
    """Return what names this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first."""
    own = Resource({"service.name": f"inference-{process}", "process.pid": os.getpid()})
    named = bool(os.environ.get("OTEL_SERVICE_NAME")) or "service.name" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return own.merge(Resource.create()) if named else Resource.create().merge(own)


def _remote(context: TraceContext) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    state = TraceState.from_header([context.state]) if context.state else None
    return SpanContext(context.trace_id, context.span_id, True, flags, state)  # it is remote


def _within(parent: TraceContext) -> Context:
    return set_span_in_context(NonRecordingSpan(_remote(parent)), _NO_PARENT)

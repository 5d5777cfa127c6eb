"""The spans of one submitting call: `server`, from its first byte to its answer, and `create` for its jobs.

A call is traced where its caller's trace is, up to TRACE_CALLER_PER_S a client, and else where the sampler of
OTEL_TRACES_SAMPLER says so. That is known once the client is, so the server's span begins in the past.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from uuid import UUID

from django.conf import settings

from jobs.tracing import trace_switch
from jobs.tracing.caller_budget import CallerBudget
from jobs.tracing.harmless import harmless, or_else
from jobs.tracing.open_span import OpenSpan, Value, messaging
from jobs.tracing.trace_context import TraceContext, context_of, kept_context

MOST_OWN = 256  # jobs of a call that have a span each
FAILED_STATUS = 500
_current: ContextVar[CallTrace | None] = ContextVar("call_trace", default=None)


class CallTrace:
    """One call, which has no span until it is decided that it is traced."""

    __slots__ = (
        "_began_ns", "_caller", "_creates", "_decided", "_jobs", "_method", "_path", "_scheme", "_server",
    )  # fmt: skip

    def __init__(self, method: str, path: str, scheme: str, caller: TraceContext | None) -> None:
        """Note when a call began; `caller` is its caller's place, or its own new trace, without a span."""
        self._began_ns, self._method, self._path, self._scheme = time.time_ns(), method, path, scheme
        self._caller = caller
        self._server: OpenSpan | None = None
        self._decided, self._jobs = False, 0
        self._creates: dict[UUID, OpenSpan] = {}

    @property
    def traced(self) -> bool:
        """Return whether it has spans."""
        return self._server is not None

    @harmless
    def decide(self, client: int) -> None:
        """Start the server's span where the call of a client is traced; only the first call decides."""
        self._creates.clear()  # of another road, which left the call before it stored anything
        if self._decided:
            return
        self._decided = True
        if parent := self._parent(client):
            name = f"{self._method} {self._path}"
            attributes: dict[str, Value] = {
                "http.request.method": self._method,
                "http.route": self._path,
                "url.path": self._path,
                "url.scheme": self._scheme,
            }
            recorder = trace_switch.recorder()
            self._server = recorder.start(
                name, "server", parent=parent, attributes=attributes, at_ns=self._began_ns
            )

    def _parent(self, client: int) -> TraceContext | None:
        """Return the parent of the server's span; None where the call is not traced."""
        caller = self._caller
        if caller is None or not caller.span_id:
            return caller
        if caller.sampled and not _budget().take(client, time.time()):
            caller = replace(caller, sampled=False)
        return trace_switch.recorder().root(caller, self._path)

    def create(self, jobs: Sequence[tuple[UUID, str]]) -> list[str]:
        """Start the `create` spans of jobs (id, model) of a traced call; return what each job keeps of them.

        Those beyond MOST_OWN share one for all that come together.
        """
        own = self._jobs + len(jobs) <= MOST_OWN
        self._jobs += len(jobs)
        if own:
            spans = [self._start(model, "messaging.message.id", str(job)) for job, model in jobs]
        else:
            models = {model for _, model in jobs}
            model = models.pop() if len(models) == 1 else "*"
            spans = [self._start(model, "messaging.batch.message_count", len(jobs))] * len(jobs)
        self._creates |= dict(zip((job for job, _ in jobs), spans, strict=True))
        if not own:
            return [spans[0].place.kept] * len(jobs)
        return [span.place.kept for span in spans]

    @harmless
    def shares(self, job: UUID, role: str, leader: TraceContext | None) -> None:
        """Note that another job answers this one; `leader` is its span, where it is traced."""
        if span := self._creates.get(job):
            span.note(inference__shared=role)
            if leader:
                span.link(leader)

    @harmless
    def stored(self, made: Iterable[UUID]) -> None:
        """End the `create` spans, once the jobs that are `made` are durable; the others were there before."""
        made_spans = {self._creates[job] for job in made if job in self._creates}
        for span in {*self._creates.values()} - made_spans:
            span.note(inference__made=False)
        self._end_creates()

    @harmless
    def end(self, status: int) -> None:
        """End all spans, once the call is answered; 0 where it was not."""
        if self._server is None:
            return
        self._end_creates("not_stored")
        if status:
            self._server.note(http__response__status_code=status)
        if status >= FAILED_STATUS or not status:
            self._server.fail(str(status or "client_gone"))
        self._server.end()

    def _start(self, model: str, about: str, value: Value) -> OpenSpan:
        assert self._server is not None  # noqa: S101  # only traced calls create
        attributes = messaging("create", "create", model) | {about: value}
        recorder, parent = trace_switch.recorder(), self._server.place
        return recorder.start(f"create {model}", "producer", parent=parent, attributes=attributes)

    def _end_creates(self, error: str = "") -> None:
        for span in set(self._creates.values()):
            if error:
                span.fail(error)
            span.end()
        self._creates.clear()


def _untraced(*_: object) -> CallTrace | None:
    return None


@or_else(_untraced)
def begin(
    method: str, path: str, scheme: str, traceparent: str | None, state: str | None = None
) -> CallTrace | None:
    """Return the trace of a call that begins now on this task; None where it surely has none.

    `traceparent` and `state` are the headers of its caller.

    Only where `tracing.on`.
    """
    caller = context_of(traceparent, state) or trace_switch.recorder().root(None, path)
    trace = CallTrace(method, path, scheme, caller) if caller else None
    if trace is not None or _current.get() is not None:
        _current.set(trace)
    return trace


def current() -> CallTrace | None:
    """Return the trace of the call of this task or thread."""
    return _current.get()


def traced() -> CallTrace | None:
    """Return the same where the call has spans."""
    trace = _current.get()
    return trace if trace is not None and trace.traced else None


@cache
def _budget() -> CallerBudget:
    return CallerBudget(settings.INFERENCE.trace_caller_per_s)


def kept_by(traceparents: Iterable[str | None]) -> list[TraceContext]:
    """Return the places that jobs keep, each once, in their order."""
    return [kept_context(text) for text in dict.fromkeys(traceparents) if text]

"""A place in a trace, as the headers `traceparent` and `tracestate` have it (W3C Trace Context)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobs.core.trace_chars import MOST_STATE_CHARS

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# A list of key=value; what an entry may hold in detail is the business of the systems that wrote it.
_STATE = re.compile(r"[a-z0-9][a-z0-9_\-*/@]*=[ -+\--<>-~]+(,[a-z0-9][a-z0-9_\-*/@]*=[ -+\--<>-~]+){0,31}")
_SPACES = re.compile(r"[ \t]*,[ \t,]*")
_NO_VERSION = "ff"
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace, whether it is recorded, and the `state` that tracing systems carry along."""

    trace_id: int
    span_id: int
    sampled: bool = True
    state: str = ""

    @property
    def traceparent(self) -> str:
        """Return it as a header."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of a call that is made here."""
        return {"traceparent": self.traceparent} | ({"tracestate": self.state} if self.state else {})

    @property
    def kept(self) -> str:
        """Return what a job keeps of it."""
        return f"{self.traceparent};{self.state}" if self.state else self.traceparent


def context_of(traceparent: object, state: str | None = None) -> TraceContext | None:
    """Return the place that a header names, with its `tracestate`; None without one, and for any other text.

    Of a later version's header that is read which every version has.
    """
    match = _FORM.fullmatch(traceparent.strip()) if isinstance(traceparent, str) else None
    if match is None or match[1] == _NO_VERSION or (match[1] == "00" and match[5]):
        return None
    trace_id, span_id = int(match[2], 16), int(match[3], 16)
    if not trace_id or not span_id:
        return None
    return TraceContext(trace_id, span_id, bool(int(match[4], 16) & _SAMPLED), _state(state))


def kept_context(traceparent: str) -> TraceContext:
    """Return the place that a job keeps: this process's kind of text, which needs no check."""
    return TraceContext(int(traceparent[3:35], 16), int(traceparent[36:52], 16), state=traceparent[56:])


def trace_id_of(traceparent: str | None) -> str:
    """Return the id of the trace that a job belongs to, in hex; empty where there is none."""
    context = context_of(traceparent.partition(";")[0]) if traceparent else None
    return f"{context.trace_id:032x}" if context else ""


def _state(text: str | None) -> str:
    """Return a `tracestate` without its optional spaces; nothing of one that is malformed, or too long."""
    state = _SPACES.sub(",", text.strip(" \t,")) if text and len(text) <= 2 * MOST_STATE_CHARS else ""
    return state if len(state) <= MOST_STATE_CHARS and _STATE.fullmatch(state) else ""

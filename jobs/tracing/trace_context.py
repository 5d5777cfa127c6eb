"""A place in a trace, as the header `traceparent` has it (W3C Trace Context)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_VERSION = "ff"
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace, and whether it is recorded."""

    trace_id: int
    span_id: int
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """Return it as a header, which a job keeps too."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"


def context_of(traceparent: object) -> TraceContext | None:
    """Return the place that a header names; None without one, and for any other text.

    Of a later version's header that is read which every version has.
    """
    match = _FORM.fullmatch(traceparent.strip()) if isinstance(traceparent, str) else None
    if match is None or match[1] == _NO_VERSION or (match[1] == "00" and match[5]):
        return None
    trace_id, span_id = int(match[2], 16), int(match[3], 16)
    if not trace_id or not span_id:
        return None
    return TraceContext(trace_id, span_id, bool(int(match[4], 16) & _SAMPLED))


def kept_context(traceparent: str) -> TraceContext:
    """Return the place that a job keeps: this process's kind of text, which needs no check."""
    return TraceContext(int(traceparent[3:35], 16), int(traceparent[36:52], 16))


def trace_id_of(traceparent: str | None) -> str:
    """Return the id of the trace that a job belongs to, in hex; empty where there is none."""
    context = context_of(traceparent)
    return f"{context.trace_id:032x}" if context else ""

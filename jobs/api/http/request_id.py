"""The name of a call, by which its client and our logs speak of the same one."""

from __future__ import annotations

import re
from uuid import uuid4

MOST_CHARS = 128
_SANE = re.compile(rf"[!-~]{{1,{MOST_CHARS}}}")  # visible ASCII
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def request_id(given: str) -> str:
    """Return the id that a client gave, if it is 1 to 128 visible ASCII characters; else a new one."""
    return given if _SANE.fullmatch(given) else uuid4().hex


def trace_id(traceparent: str) -> str | None:
    """Return the trace's id of a `traceparent` header (W3C Trace Context); None where it holds none."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or not match[1].strip("0") or not match[2].strip("0") or traceparent.startswith("ff"):
        return None
    return match[1]

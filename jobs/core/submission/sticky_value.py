"""What decides which version a job gets, as bytes: equal values get equal versions. Pure."""

from __future__ import annotations

from typing import Any

from jobs.core.canonical_json import canonical_bytes

INPUT, CLIENT, JOB, POINTER = "input", "client", "job", "metadata:"
_MISSING = object()


def input_value(body_sha256: bytes, parameters: bytes | None) -> bytes:
    """Return the sticky value of an input, by the SHA-256 of its canonical JSON, and its parameters."""
    return b"input/" + body_sha256 + (b"" if parameters is None else b"/" + parameters)


def client_value(client: int) -> bytes:
    """Return the sticky value of a client."""
    return b"client/%d" % client


def job_value(own: bytes) -> bytes:
    """Return the sticky value of one job, by bytes that are its own."""
    return b"job/" + own


def pointed_value(sticky: str, metadata: Any) -> bytes | None:
    """Return the sticky value at the JSON pointer of `metadata:/…`; None where nothing is there."""
    value = _at(sticky.removeprefix(POINTER), metadata)
    return None if value is _MISSING else sticky.encode() + b"/" + canonical_bytes(value)


def _at(pointer: str, value: Any) -> Any:
    for raw in pointer.split("/")[1:]:
        step = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value

"""The words of `text/event-stream`: what a client is sent of where a job stands, beyond what it knows."""

from __future__ import annotations

from collections.abc import Iterator
from random import randint
from typing import Any

import msgspec

from jobs.core.event_id import EventId
from jobs.services.reads.snapshot import JobSnapshot

CONTENT_TYPE = "text/event-stream"
HEADERS = {"Content-Type": f"{CONTENT_TYPE}; charset=utf-8", "X-Accel-Buffering": "no"}
HEARTBEAT = b": still here\n\n"
RETRY_MS = (1_000, 3_000)  # drawn for each client, so that they do not all come back at once


def preamble() -> bytes:
    """Return how a stream begins: when to come back once it is lost."""
    return b"retry: %d\n\n" % randint(*RETRY_MS)  # noqa: S311  # jitter, not a secret


def knows_all(told: EventId | None, now: JobSnapshot) -> bool:
    """Say whether a client has had the end already: it must not come back."""
    return now.view is not None and now.mark.same_state(told)


def events(told: EventId | None, now: JobSnapshot) -> Iterator[bytes]:
    """Yield the events that bring a client from `told` to `now`: one or two at most, or none."""
    if now.view is not None:
        if not now.mark.same_state(told):
            yield _event("end", now.mark, now.view)
        return
    if not now.mark.same_state(told):
        yield _event("state", EventId(now.mark.epoch, 0, now.mark.state), _state(now))
        told = None
    if now.fraction is not None and (told is None or now.mark.step > told.step):
        yield _event("progress", now.mark, _state(now) | {"fraction": now.fraction, "message": now.message})


def _state(now: JobSnapshot) -> dict[str, Any]:
    return {"id": now.id, "state": now.mark.state, "attempts": now.attempts}


def _event(name: str, mark: EventId, value: Any) -> bytes:
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(mark).encode(), name.encode(), _line(value))


def _line(value: Any) -> bytes:
    """Return JSON on one line: a stored document passes through as it was stored, line ends and all."""
    return b" ".join(msgspec.json.encode(value).splitlines())

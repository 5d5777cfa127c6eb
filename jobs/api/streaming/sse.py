"""The format `text/event-stream`: the events that bring a client from its last one to a job's snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from random import randint
from typing import Any

from jobs.core.event_id import EventId
from jobs.core.payloads.stored_output import view_json
from jobs.services.reads.snapshot import JobSnapshot

CONTENT_TYPE = "text/event-stream"
HEADERS = {"Content-Type": f"{CONTENT_TYPE}; charset=utf-8", "X-Accel-Buffering": "no"}
HEARTBEAT = b": still here\n\n"
RETRY_MS = (1_000, 3_000)  # drawn for each client, so that they do not all reconnect at once


def preamble() -> bytes:
    """Return the start of a stream: how long to wait before reconnecting."""
    return b"retry: %d\n\n" % randint(*RETRY_MS)  # noqa: S311  # jitter, not a secret


def knows_all(last: EventId | None, now: JobSnapshot) -> bool:
    """Return whether a client has had the end already, so that it must not reconnect."""
    return now.view is not None and now.event_id.same_state(last)


def events(last: EventId | None, now: JobSnapshot) -> Iterator[bytes]:
    """Yield the events that bring a client from its last event to `now`: none, one or two."""
    if now.view is not None:
        if not now.event_id.same_state(last):
            yield one_event("end", now.event_id, now.view)
        return
    if not now.event_id.same_state(last):
        yield one_event("state", EventId(now.event_id.epoch, 0, now.event_id.state), _state(now))
        last = None
    if now.fraction is not None and (last is None or now.event_id.step > last.step):
        yield one_event(
            "progress", now.event_id, _state(now) | {"fraction": now.fraction, "message": now.message}
        )


def _state(now: JobSnapshot) -> dict[str, Any]:
    state = {"id": now.id, "state": now.event_id.state, "attempts": now.attempts}
    return state if now.step is None else state | {"step": now.step}


def one_event(name: str, event_id: object, value: Any) -> bytes:
    """Return one event, with `value` as JSON."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(event_id).encode(), name.encode(), _line(value))


def _line(value: Any) -> bytes:
    """Return JSON on one line: a stored document passes through as it is, and may hold line breaks."""
    return b" ".join(view_json(value).splitlines())

"""The messages that the Strategy accepts and refuses."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from jobs.core.errors import MalformedEnvelopeError
from jobs.core.messages.bundle import bundle
from jobs.core.messages.envelope import Envelope
from jobs.worker.consuming.strategy import envelopes_of

JOB = UUID(int=7)
GOOD = Envelope(job=JOB, epoch=3, version=1, priority=4, size=10)
NEXT = Envelope(job=UUID(int=9), epoch=0, version=1, priority=4, size=11)


def wire(**changes: Any) -> str:
    return json.dumps([[], json.loads(msgspec.json.encode(bundle([GOOD, NEXT]))) | changes, {}])


def message(body: Any = None, **changes: Any) -> Any:
    raw = wire() if body is None else body
    headers = {"id": str(JOB), "task": "jobs.infer", "eta": None, "expires": None}
    headers |= changes.pop("headers", {})
    fields = {"content_type": "application/json", "body": raw, "headers": headers} | changes
    return SimpleNamespace(**fields)


def test_a_good_message_is_its_envelopes() -> None:
    assert envelopes_of(message()) == [GOOD, NEXT]


@pytest.mark.parametrize(
    "bad",
    [
        message("[]"), message("5"), message("{}"), message(b"\xff\xfe"), message("[" * 100_000),
        message("[[], [], {}]"), message("[[], {}, {}]"), message(headers={"id": None}),
        message(headers={"id": str(UUID(int=8))}), message(headers={"eta": "yesterday"}),
        message(headers={"expires": "soon"}), message(content_type="application/x-python-serialize"),
        message(wire(jobs=[[str(JOB), -1]])), message(wire(jobs=[[str(JOB), True]])),
        message(wire(jobs=[])), message(wire(v=1)), message(wire(jobs=[["x", 1]])),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_reason(bad: Any) -> None:
    with pytest.raises(MalformedEnvelopeError, match="message"):
        envelopes_of(bad)

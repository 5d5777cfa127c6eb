"""The messages that the Strategy accepts and refuses."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from jobs import metrics
from jobs.core.errors import MalformedEnvelopeError
from jobs.core.messages.bundle import bundle
from jobs.core.messages.envelope import NEWER, Envelope
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
    fields.setdefault("properties", {"message_id": f"{JOB}:3"})
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
        message(wire(v="3")), message(wire(v=True)), message(wire(v=2, jobs=[["x", 1]])),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_reason(bad: Any) -> None:
    with pytest.raises(MalformedEnvelopeError, match="message"):
        envelopes_of(bad)


@pytest.mark.parametrize(
    ("body", "jobs"),
    [
        (wire(v=3), [(JOB, 3), (NEXT.job, 0)]),
        (wire(v=3, jobs=[[str(JOB), 3, 10, 0, 0, None, 0, "something new"]]), [(JOB, 3)]),
        (wire(v=4, jobs={"as": "a map"}), [(JOB, 3)]),
        (json.dumps([[], {"v": 99}, {}]), [(JOB, 3)]),
    ],
)
def test_of_a_later_version_the_jobs_are_read_as_far_as_they_can_be(
    body: str, jobs: list[tuple[UUID, int]]
) -> None:
    before = metrics.MESSAGES_NEWER._value.get()
    assert envelopes_of(message(body)) == [Envelope(job, epoch, NEWER, 0) for job, epoch in jobs]
    assert metrics.MESSAGES_NEWER._value.get() == before + 1


def test_a_later_version_whose_jobs_cannot_be_read_is_no_malformed_message() -> None:
    assert envelopes_of(message(wire(v=3, jobs=0), properties={})) == []

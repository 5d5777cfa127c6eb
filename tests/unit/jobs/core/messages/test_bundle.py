"""A bundle of jobs survives the wire; any other body is malformed, and no other error."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.errors import MalformedEnvelopeError
from jobs.core.messages.bundle import bundle, read
from jobs.core.messages.envelope import Envelope

WHOLE = st.integers(0, 2**31 - 1)
ENVELOPES = st.lists(
    st.builds(
        Envelope, job=st.uuids(), epoch=WHOLE, version=st.just(5), priority=st.just(3), size=WHOLE,
        client=WHOLE, parameters_digest=WHOLE, deadline=st.none() | st.floats(0, 2e9), isolation_group=WHOLE,
    ),
    min_size=1, max_size=9,
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
PLAIN = Envelope(job=UUID(int=7), epoch=1, version=2, priority=3, size=4)


def kwargs(*envelopes: Envelope) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(msgspec.json.encode(bundle(envelopes or [PLAIN])))
    return body


def body(value: Any) -> str:
    return json.dumps([[], value, {}])


@given(ENVELOPES)
def test_envelopes_survive_the_wire_in_order(envelopes: list[Envelope]) -> None:
    assert read(body(kwargs(*envelopes))) == envelopes


@given(st.dictionaries(st.text(min_size=9), JSON))
def test_unknown_keys_and_more_elements_are_ignored(extra: dict[str, Any]) -> None:
    later = extra | kwargs()
    later["jobs"] = [[*pointer, "of tomorrow"] for pointer in later["jobs"]]
    assert read(body(later)) == [PLAIN]


@given(JSON)
def test_anything_else_is_malformed_and_nothing_worse(value: Any) -> None:
    for text in (json.dumps(value), body(value)):
        with pytest.raises(MalformedEnvelopeError):
            read(text)


@pytest.mark.parametrize("text", ["", "[]", "5", "{}", b"\xff\xfe", "[" * 100_000, "[[], [], {}]"])
def test_a_body_that_is_no_task_is_malformed(text: str | bytes) -> None:
    with pytest.raises(MalformedEnvelopeError, match="message"):
        read(text)


@pytest.mark.parametrize("name", ["v", "version", "priority", "jobs"])
def test_a_missing_field_is_malformed(name: str) -> None:
    short = kwargs()
    del short[name]
    with pytest.raises(MalformedEnvelopeError, match=name):
        read(body(short))


@pytest.mark.parametrize("value", [True, -1, 2**31, 1.0, "1", None])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_number_must_be_an_integer_in_range(at: int, value: object) -> None:
    bad = kwargs()
    bad["jobs"][0][at] = value
    with pytest.raises(MalformedEnvelopeError, match="jobs"):
        read(body(bad))


@pytest.mark.parametrize("bad", [{"v": 1}, {"v": "2"}, {"priority": 10}, {"jobs": []}, {"jobs": [["x", 1]]}])
def test_a_bad_field_is_malformed(bad: dict[str, Any]) -> None:
    with pytest.raises(MalformedEnvelopeError):
        read(body(kwargs() | bad))


def test_the_hints_are_optional() -> None:
    short = kwargs()
    short["jobs"] = [pointer[:2] for pointer in short["jobs"]]
    assert read(body(short))[0].size == 0

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.envelope import Envelope
from jobs.core.errors import MalformedEnvelopeError

WHOLE = st.integers(0, 2**31 - 1)
ENVELOPES = st.builds(Envelope, job=st.uuids(), epoch=WHOLE, version=WHOLE, priority=WHOLE, size=WHOLE)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
PLAIN = Envelope(job=UUID(int=7), epoch=1, version=2, priority=3, size=4)


@given(ENVELOPES)
def test_an_envelope_survives_the_wire(envelope: Envelope) -> None:
    assert Envelope.from_kwargs(json.loads(json.dumps(envelope.to_kwargs()))) == envelope


@given(ENVELOPES, st.dictionaries(st.text(min_size=9), JSON))
def test_unknown_keys_are_ignored(envelope: Envelope, extra: dict[str, Any]) -> None:
    assert Envelope.from_kwargs(extra | envelope.to_kwargs()) == envelope


@given(JSON)
def test_anything_else_is_malformed_and_nothing_worse(value: Any) -> None:
    with pytest.raises(MalformedEnvelopeError):
        Envelope.from_kwargs(value)


@given(st.sampled_from(["v", "job", "epoch", "version", "priority"]), JSON)
def test_a_bad_field_is_malformed(name: str, value: Any) -> None:
    kwargs = PLAIN.to_kwargs() | {name: value}
    if isinstance(value, int) and not isinstance(value, bool):
        return
    with pytest.raises(MalformedEnvelopeError):
        Envelope.from_kwargs(kwargs)


@pytest.mark.parametrize("name", ["v", "job", "epoch", "version", "priority"])
def test_a_missing_field_is_malformed(name: str) -> None:
    kwargs = PLAIN.to_kwargs()
    del kwargs[name]
    with pytest.raises(MalformedEnvelopeError):
        Envelope.from_kwargs(kwargs)


@pytest.mark.parametrize("value", [True, -1, 2**31, 1.0, "1", None])
def test_a_number_must_be_whole_and_fit(value: object) -> None:
    with pytest.raises(MalformedEnvelopeError, match="epoch"):
        Envelope.from_kwargs(PLAIN.to_kwargs() | {"epoch": value})


def test_the_size_hint_may_be_left_out() -> None:
    kwargs = PLAIN.to_kwargs()
    del kwargs["size"]
    assert Envelope.from_kwargs(kwargs).size == 0

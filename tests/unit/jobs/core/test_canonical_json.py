import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.canonical_json import MAX_DEPTH, canonical_bytes, check_depth, digest
from jobs.core.errors import MalformedRequestError

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_bytes_read_back_as_the_same_value_and_write_the_same_bytes(value: Any) -> None:
    body = canonical_bytes(value)
    assert json.loads(body) == value
    assert canonical_bytes(json.loads(body)) == body


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers()))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical_bytes(dict(reversed(value.items()))) == canonical_bytes(value)


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (10**40, b"1" + b"0" * 40),
        ({"b": 1, "a": [1.0, -0.0]}, b'{"a":[1.0,-0.0],"b":1}'),
        ("\x00é", b'"\\u0000\xc3\xa9"'),
    ],
)
def test_integers_keep_their_digits_and_strings_their_characters(value: Any, body: bytes) -> None:
    assert canonical_bytes(value) == body


@pytest.mark.parametrize(
    "value", [math.nan, [1, math.inf], {"a": -math.inf}, "\ud800", object(), {1, object()}]
)
def test_values_that_json_cannot_carry_are_refused(value: Any) -> None:
    with pytest.raises(MalformedRequestError):
        canonical_bytes(value)


def test_null_is_no_nan() -> None:
    assert canonical_bytes([None, 1.5]) == b"[null,1.5]"


def test_the_deepest_allowed_value_passes_and_one_level_more_is_refused() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    check_depth(b" " + deepest, json.loads(deepest))
    deeper = b'{"a":' + deepest + b"}"
    with pytest.raises(MalformedRequestError, match="deeper than 100"):
        check_depth(deeper, json.loads(deeper))


def test_a_wide_value_is_not_a_deep_one() -> None:
    wide = b"[" + b"[]," * 5_000 + b"[]]"
    check_depth(wide, json.loads(wide))


def test_a_digest_is_the_sha256() -> None:
    assert digest(b"").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

import json
import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.core import schema
from models_registry.core.registry_errors import InvalidInputError

UNIQUE = json.dumps({"type": "array", "uniqueItems": True})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 1.5, -0.0]) | st.text("ab1,"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=4,
)


def is_unique(value: list[Any]) -> bool:
    try:
        schema.check(UNIQUE, value)
    except InvalidInputError:
        return False
    return True


@given(st.lists(VALUES, max_size=5))
def test_the_keyword_means_what_it_means_to_the_validator(value: list[Any]) -> None:
    assert is_unique(value) == jsonschema_rs.is_valid({"uniqueItems": True}, value)


@pytest.mark.parametrize(
    "values",
    [
        [10**19 + number for number in range(90_000)],
        [[10**19 + number] for number in range(90_000)],
        [number * (2**61 - 1) for number in range(90_000)],  # of one hash in Python
        [{"a": number * 2**64} for number in range(50_000)],
    ],
    ids=["large", "arrays", "one-hash", "objects"],
)
def test_numbers_whose_hashes_fall_together_take_no_longer(values: list[Any]) -> None:
    began = time.process_time()
    assert is_unique(values)
    assert time.process_time() - began < 2.0  # in pairs: minutes


def test_equal_large_numbers_are_equal() -> None:
    assert not is_unique([10**300, 10**300])
    assert is_unique([10**300, 10**300 + 1])
    assert not is_unique([1e300, 10**300 if 10**300 == 1e300 else int(1e300)])


def test_false_asks_for_nothing() -> None:
    schema.check(json.dumps({"uniqueItems": False}), [1, 1])
    schema.check(UNIQUE.replace("array", "string"), "aa")

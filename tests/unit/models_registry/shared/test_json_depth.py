from typing import Any

import pytest

from models_registry.shared.json_depth import DEEPEST, is_deeper_than


def lists(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [1, "x", None, [], {}, [[1], {"a": [2]}]])
def test_ordinary_values_are_not_deep(value: Any) -> None:
    assert not is_deeper_than(value)


def test_the_limit_itself_is_allowed_and_one_more_is_not() -> None:
    assert not is_deeper_than(lists(DEEPEST))
    assert is_deeper_than(lists(DEEPEST + 1))


def test_objects_count_as_lists_do() -> None:
    assert is_deeper_than({"a": {"b": {"c": 1}}}, limit=2)
    assert not is_deeper_than({"a": {"b": 1}}, limit=2)


def test_a_hundred_thousand_levels_are_measured_without_recursion() -> None:
    assert is_deeper_than(lists(100_000))

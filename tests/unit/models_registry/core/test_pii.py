"""Exactly the parts that a schema marks are found, at any place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.core.pii import check_marks, has_marks, marked, property_names, replaced
from models_registry.core.registry_errors import RegistrationError

M: dict[str, Any] = {"type": "string", "x-pii": True}
OF_A = {"properties": {"a": M}}
Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def hidden(schema: Any, value: Any) -> Any:
    return replaced(schema, value, lambda _: "#")


CASES: list[tuple[Any, Any, Any]] = [
    (M, "x", "#"),
    (M, {"a": [1]}, "#"),
    (M, None, "#"),
    (OF_A, {"a": "x", "b": "y"}, {"a": "#", "b": "y"}),
    (OF_A, {"a": {"deep": 1}}, {"a": "#"}),
    (OF_A, ["a"], ["a"]),
    ({"properties": {"a": OF_A}}, {"a": {"a": 1}}, {"a": {"a": "#"}}),
    ({"items": M}, ["x", "y"], ["#", "#"]),
    ({"items": [True, M]}, ["x", "y", "z"], ["x", "#", "z"]),
    ({"items": [True], "additionalItems": M}, ["x", "y"], ["#", "#"]),
    ({"prefixItems": [M], "items": True}, ["x", "y"], ["#", "y"]),
    ({"prefixItems": [True], "items": M}, ["x", "y"], ["#", "#"]),
    ({"contains": M}, ["x", 1], ["#", "#"]),
    ({"unevaluatedItems": M}, ["x"], ["#"]),
    ({"properties": {"b": {}}, "additionalProperties": M}, {"a": 1, "b": 2}, {"a": "#", "b": 2}),
    ({"unevaluatedProperties": M, "properties": {"b": {}}}, {"a": 1, "b": 2}, {"a": "#", "b": 2}),
    ({"patternProperties": {"^p_": M}}, {"p_a": 1, "q": 2}, {"p_a": "#", "q": 2}),
    ({"patternProperties": {"^\\p{L}$": M}}, {"a": 1}, {"a": "#"}),
    ({"patternProperties": {"^a$": {}}, "additionalProperties": M}, {"a": 1}, {"a": "#"}),
    ({"propertyNames": M}, {"name": 1}, "#"),
    ({"allOf": [{}, OF_A]}, {"a": 1}, {"a": "#"}),
    ({"anyOf": [{"type": "string"}, OF_A]}, {"a": 1}, {"a": "#"}),
    ({"oneOf": [M, {"type": "integer"}]}, 7, "#"),
    ({"if": {"required": ["z"]}, "then": OF_A, "else": {"properties": {"b": M}}}, {"a": 1, "b": 1},
     {"a": "#", "b": "#"}),
    ({"not": OF_A}, {"a": 1}, {"a": "#"}),
    ({"dependentSchemas": {"z": OF_A}}, {"a": 1}, {"a": "#"}),
    ({"dependencies": {"z": OF_A, "y": ["a"]}}, {"a": 1}, {"a": "#"}),
    ({"$defs": {"m": M}, "properties": {"a": {"$ref": "#/$defs/m"}}}, {"a": 1, "b": 1}, {"a": "#", "b": 1}),
    ({"$defs": {"a/b": M, "c~d": M, "e f": M}, "prefixItems": [{"$ref": "#/$defs/a~1b"},
      {"$ref": "#/$defs/c~0d"}, {"$ref": "#/$defs/e%20f"}]}, [1, 2, 3], ["#", "#", "#"]),
    ({"properties": {"a": M, "next": {"$ref": "#"}}}, {"a": 1, "next": {"a": 2, "b": 3}},
     {"a": "#", "next": {"a": "#", "b": 3}}),
    ({"$ref": "#/prefixItems/0", "prefixItems": [M]}, "x", "#"),
    ({"$ref": "#"}, {"a": 1}, {"a": 1}),
    ({"$ref": "#/$defs/gone"}, "x", "#"),
    ({"$ref": "other.json"}, "x", "#"),
    ({"$ref": "#anchor"}, "x", "#"),
    ({"$dynamicRef": "#node"}, "x", "#"),
    ({"properties": {"x-pii": {"type": "string"}}}, {"x-pii": "x"}, {"x-pii": "x"}),
    ({"properties": {"x-pii": M}}, {"x-pii": "x"}, {"x-pii": "#"}),
    ({"x-pii": False, "properties": {"a": M}}, {"a": 1, "b": 1}, {"a": "#", "b": 1}),
    (True, {"a": 1}, {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "shown"), CASES)
def test_marked_parts_are_replaced_completely_and_nothing_else_is(
    schema: Any, value: Any, shown: Any
) -> None:
    assert hidden(schema, value) == shown


@given(Json)
def test_a_value_of_a_schema_without_marks_is_unchanged(value: Any) -> None:
    assert hidden({"properties": {"a": {}}, "items": {"$ref": "#"}}, value) == value
    assert marked({}, value) == []


Schemas = st.recursive(
    st.just(M) | st.just({}) | st.just(True),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "items": inner,
            "additionalProperties": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=6,
)


@given(Schemas, Json)
def test_exactly_the_marked_parts_are_replaced_and_a_second_time_changes_nothing(
    schema: Any, value: Any
) -> None:
    root = schema if isinstance(schema, dict) else {}
    shown = hidden(root, value)
    assert (shown == value) <= (not marked(root, value) or marked(root, value) == marked(root, shown))
    assert hidden(root, shown) == shown
    assert replaced(root, value, lambda part: part) == value
    assert has_marks(root) or shown == value


@given(Schemas, Schemas, Json)
def test_another_branch_never_shows_more(one: Any, other: Any, value: Any) -> None:
    alone, both = hidden({"allOf": [one]}, value), hidden({"anyOf": [one, other]}, value)
    assert hidden({"allOf": [one]}, both) == both if alone != value else True


@given(st.text(min_size=4), Schemas)
def test_a_marked_text_is_nowhere_in_the_shown_value(secret: str, schema: Any) -> None:
    root = {"properties": {"a": M, "b": schema}}
    assert secret not in str(hidden(root, {"a": secret, "b": 1}))


def test_only_true_and_false_mark() -> None:
    check_marks({"properties": {"a": M, "b": {"x-pii": False}, "x-pii": {}}})
    for wrong in ("yes", 1, None, [True]):
        assert has_marks({"items": {"x-pii": wrong}})
        with pytest.raises(RegistrationError, match="true or false"):
            check_marks({"items": {"x-pii": wrong}})
    assert not has_marks({"x-pii": False, "properties": {"x-pii": {"type": "string"}}})


def test_names_that_a_schema_declares_are_no_data() -> None:
    nested: dict[str, Any] = {"a": {"items": {"properties": {"b": {}}}}}
    assert property_names({"properties": nested, "allOf": [OF_A]}) == {"a", "b"}

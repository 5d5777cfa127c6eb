"""What is wrong with a value is said in little time, also where its schema has unions."""

from __future__ import annotations

import json
from time import thread_time
from typing import Any

import pytest

from models_registry.core import schema
from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.unions import is_costly, outside

NODE: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}}, "required": ["a"]}
TREE = {
    "$defs": {"node": {"anyOf": [{"type": "integer"}, NODE, {**NODE, "minProperties": 1}]}},
    "$ref": "#/$defs/node",
}
SOME = {"items": {"anyOf": [{"const": number} for number in range(20)]}}
LISTS = {"anyOf": [{"type": "string"}, {"type": "array", **SOME}, {"type": "array", "minItems": 1, **SOME}]}


def nested(depth: int, leaf: Any) -> Any:
    value = leaf
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("rules", "good", "bad"),
    [
        (TREE, nested(90, 1), nested(90, "no")),
        (TREE, nested(4, 1), nested(14, "no")),
        (LISTS, [1] * 8_000, [99] * 8_000),
    ],
)
def test_a_fault_in_a_union_is_found_at_once(rules: Any, good: Any, bad: Any) -> None:
    text = json.dumps(rules)
    schema.check(text, good)
    began = thread_time()
    with pytest.raises(InvalidInputError) as refused:
        schema.check(text, bad)
    assert thread_time() - began < 0.1
    assert "fits no branch" in str(refused.value)


def test_a_fault_outside_of_unions_is_shown_with_its_place() -> None:
    rules = {"properties": {"anyOf": {"type": "string"}, "many": LISTS}}
    with pytest.raises(InvalidInputError) as refused:
        schema.check(json.dumps(rules), {"anyOf": 5, "many": [99] * 100})
    assert refused.value.details["pointer"] == "/anyOf"


def test_a_brief_value_s_fault_is_shown_with_its_place() -> None:
    with pytest.raises(InvalidInputError) as refused:
        schema.check(json.dumps({"properties": {"many": LISTS}}), {"many": [99] * 5})
    assert refused.value.details["pointer"] == "/many"


def test_only_a_large_value_of_a_schema_with_unions_is_costly() -> None:
    lists = json.dumps(LISTS)
    assert is_costly(lists, [1] * 100)
    assert is_costly(lists, {"a": {"b": {"c": {"d": 1}}}})
    assert not is_costly(lists, [1] * 50)
    assert not is_costly(lists, {"a": {"b": {"c": 1}}})
    assert not is_costly(json.dumps(SOME["items"]["anyOf"]), [1] * 100)


def test_a_reference_into_a_union_leaves_no_schema_without_it() -> None:
    text = json.dumps(
        {"properties": {"a": {"$ref": "#/anyOf/0"}, "b": {"enum": [{"anyOf": 1}]}}, "anyOf": [{}]}
    )
    assert outside(text) is None
    with pytest.raises(InvalidInputError):
        schema.check(text, {"b": 1, "c": [1] * 100})


def test_an_outline_takes_no_longer() -> None:
    places: schema.Places = {("b",): True}
    began = thread_time()
    schema.check_outline(json.dumps(TREE), nested(14, "no"), places)
    with pytest.raises(InvalidInputError):
        schema.check_outline(json.dumps({**TREE, "required": ["file"]}), nested(14, "no"), places)
    schema.check_outline(json.dumps({**TREE, "unevaluatedProperties": False}), nested(14, "no"), places)
    assert thread_time() - began < 0.1

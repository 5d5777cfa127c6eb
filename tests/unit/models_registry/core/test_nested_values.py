import json
from typing import Any

from models_registry.core.nested_values import DEPTH, may_recur, nested_values


def depth(value: Any) -> int:
    levels = 0
    while isinstance(value, dict | list):
        inner = list(value.values() if isinstance(value, dict) else value)
        if not inner:
            break
        value, levels = inner[0], levels + 1
    return levels


def test_values_nest_by_every_property_and_by_two_in_turn() -> None:
    schema = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    values = list(nested_values(schema))
    assert {depth(value) for value in values} == {0, DEPTH}
    heads = {json.dumps(value)[:22] for value in values}
    assert {'{"left": {"left": {"le', '{"left": {"right": {"l', "[[[[[[[[[[[[[[[[[[[[[["} <= heads
    assert len(list(nested_values({"properties": {str(at): {} for at in range(900)}}))) < 300


def test_only_a_schema_with_references_may_recur() -> None:
    assert may_recur(json.dumps({"items": {"$ref": "#"}}))
    assert not may_recur(json.dumps({"items": {"type": "string"}}))

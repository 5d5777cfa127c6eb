"""Schemas that take exponential time are refused when a version is registered, and others are not."""

from typing import Any

import pytest

from models_registry.core.registry_errors import RegistrationError
from models_registry.services import schema_trial
from models_registry.services.register import _check_schema

TREE: dict[str, Any] = {
    "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "all": {"items": {"$ref": "#"}}},
    "additionalProperties": False,
}
CHOICES = {
    "anyOf": [{"type": "array", "minItems": least, "items": {"$ref": "#"}} for least in (0, 1)]
    + [{"type": "integer"}]
}
CONJUNCTION = {"allOf": [{"items": {"$ref": "#"}, "minItems": least} for least in (0, 1)]}
IN_TURN = {
    "$defs": {
        "a": {"anyOf": [{"properties": {"b": {"$ref": "#/$defs/b"}}, "minProperties": n} for n in (0, 1)]},
        "b": {"allOf": [{"properties": {"a": {"$ref": "#/$defs/a"}}, "minProperties": n} for n in (0, 1)]},
    },
    "$ref": "#/$defs/a",
    "properties": {"a": {"$ref": "#/$defs/a"}},
}
POWERS = {
    "$defs": {
        **{f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)},
        "d40": {"type": "string"},
    },
    "$ref": "#/$defs/d0",
}


@pytest.mark.parametrize("schema", [CONJUNCTION, POWERS], ids=["conjunction", "powers"])
def test_a_schema_that_small_nested_values_keep_busy_is_refused(
    schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_trial, "LIMIT_S", 2.0)
    with pytest.raises(RegistrationError, match="input_schema takes longer than 2 s"):
        _check_schema("input_schema", schema)


@pytest.mark.parametrize("schema", [TREE, CHOICES], ids=["tree", "choices"])
def test_a_schema_that_recurs_in_one_place_or_in_a_union_is_registered(schema: dict[str, Any]) -> None:
    _check_schema("input_schema", schema)

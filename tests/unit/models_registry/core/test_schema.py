import json
import time
from typing import Any

import pytest

from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.schema import check_outline

PAGES = {
    "type": "object",
    "required": ["pages"],
    "additionalProperties": False,
    "properties": {
        "pages": {"type": "array", "maxItems": 3, "items": {"type": "string", "minLength": 1}},
        "kind": {"enum": ["scan", "photo"]},
        "data": {"type": "integer"},
        "either": {"anyOf": [{"type": "integer"}, {"type": "object"}]},
    },
    "if": {"properties": {"data": {"const": 0}}},
    "then": {"required": ["kind"]},
}


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ([""], {(0,): True}),  # no object
        ({}, {("pages", 0): True}),  # lacks a property
        ({"pages": [""] * 4}, {("pages", 0): True}),  # too many
        ({"pages": [""], "more": 1}, {("pages", 0): True}),
        ({"pages": [""], "kind": "x"}, {("pages", 0): True}),  # elsewhere
        ({"pages": [], "data": ""}, {("data",): True}),  # a text is no integer
        ({"pages": [1, ""]}, {("pages", 1): True}),
    ],
)
def test_what_no_file_can_mend_is_refused_without_the_files(value: Any, places: Any) -> None:
    with pytest.raises(InvalidInputError):
        check_outline(json.dumps(PAGES), value, places)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ({"pages": [""]}, {("pages", 0): True}),  # a file may be longer
        ({"pages": None}, {("pages",): False}),  # a JSON file may be an array
        ({"pages": [], "kind": ""}, {("kind",): True}),
        ({"pages": [], "data": None}, {("data",): False}),  # an integer that is 0 or not
        ({"pages": [], "either": None}, {("either",): False}),
        (None, {(): False}),
    ],
)
def test_what_a_file_may_mend_is_left_to_the_worker(value: Any, places: Any) -> None:
    check_outline(json.dumps(PAGES), value, places)


def test_an_outline_with_very_many_faults_costs_no_list_of_them() -> None:
    schema = json.dumps({"properties": {"a": {"items": {"type": "string"}}}, "required": ["b"]})
    began = time.process_time()
    with pytest.raises(InvalidInputError):
        check_outline(schema, {"a": [0] * 200_000, "file": ""}, {("file",): True})
    assert time.process_time() - began < 1.0

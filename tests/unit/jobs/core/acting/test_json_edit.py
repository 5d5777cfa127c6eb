"""A patch is read with bounds, and changes no value that it is applied to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.core.acting.json_edit import MOST_CHARS, MOST_COPIES, MOST_OPERATIONS, JsonEdit
from jobs.core.errors import MalformedRequestError


def edit(*operations: Any) -> JsonEdit:
    return JsonEdit(json.dumps(operations))


def test_a_patch_edits_a_copy() -> None:
    value = {"text": "a", "n": [1]}
    edited = edit(
        {"op": "replace", "path": "/text", "value": "b"}, {"op": "add", "path": "/n/-", "value": 2}
    ).applied(value)
    assert edited == {"text": "b", "n": [1, 2]}
    assert value == {"text": "a", "n": [1]}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", "1", '"x"', "null", "[1]", '["a"]', '[{"op":"nonsense","path":"/a"}]',
        '[{"op":"add"}]', '[{"op":"add","path":"a","value":1}]', "[" * 100_000, "x" * (MOST_CHARS + 1),
        json.dumps([{"op": "remove", "path": "/a"}] * (MOST_OPERATIONS + 1)),
        json.dumps([{"op": "copy", "from": "", "path": "/a"}] * (MOST_COPIES + 1)),
        '[{"op":"add","path":"/a","value":NaN}]', r'[{"op":"add","path":"/a","value":"\ud800"}]',
    ],
    ids=range(18),
)  # fmt: skip
def test_what_is_no_patch_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequestError):
        JsonEdit(text)


@pytest.mark.parametrize("value", [{}, [], "text", 1, None, {"a": "b"}])
def test_a_patch_that_does_not_apply_says_so(value: Any) -> None:
    with pytest.raises(MalformedRequestError, match="does not apply"):
        edit({"op": "test", "path": "/a", "value": "c"}, {"op": "remove", "path": "/a"}).applied(value)


def test_a_value_that_nests_too_deep_to_be_copied_is_refused() -> None:
    deep = "[" * 900 + "]" * 900
    with pytest.raises(MalformedRequestError, match="too deep"):
        JsonEdit(f'[{{"op":"add","path":"/a","value":{deep}}}]').applied({})

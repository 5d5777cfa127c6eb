"""Users' patterns run in engines whose time grows with the text only, and others are refused readably."""

from __future__ import annotations

import subprocess
import sys

import pytest

from models_registry.core import pii, schema
from models_registry.core.patterns import linear, patterns, plain_ends, refusal, validator
from models_registry.core.registry_errors import InvalidInputError

NAMES = {"patternProperties": {"^([a-z]+_?)+$": {"x-pii": True}}}
KEY = "a" * 60 + "!"


def test_a_name_that_a_backtracking_engine_never_answers_is_matched_at_once() -> None:
    program = f"from models_registry.core import pii; print(pii.marked({NAMES!r}, {{{KEY!r}: 1}}))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20, check=True)
    assert answer.stdout == b"[]\n"


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)b", "(?<!a)b", "((a{100}){100}){100}", "("])
def test_what_needs_backtracking_or_too_much_memory_is_refused(pattern: str) -> None:
    assert refusal(pattern)
    schemas: list[dict[str, object]] = [
        {"pattern": pattern},
        {"patternProperties": {pattern: {}}},
        {"propertyNames": {"pattern": pattern}},
    ]
    for refused in schemas:
        with pytest.raises(ValueError, match="regex"):
            validator(refused)


def test_what_the_platform_matches_itself_must_compile_in_its_own_engine_too() -> None:
    assert refusal(r"\u0041") == ""
    assert "escape" in refusal(r"\u0041", matched_here=True)
    assert refusal("^([a-z]+_?)+$", matched_here=True) == ""


def test_patterns_are_read_from_schemas_and_not_from_their_data() -> None:
    nested = {"items": [{"pattern": "a", "patternProperties": {"b": {"pattern": "c"}}}]}
    assert list(patterns({"properties": {"pattern": {"$defs": nested}}})) == ["a", "b", "c"]
    assert (
        list(patterns({"const": {"pattern": "("}, "enum": [{"pattern": "("}], "default": {"pattern": "("}}))
        == []
    )


def test_a_stored_version_with_a_refused_pattern_is_reported_and_hides_what_the_pattern_may_match() -> None:
    with pytest.raises(InvalidInputError, match="this version's schema has a pattern"):
        schema.check(r'{"pattern": "(a)\\1"}', "aa")
    assert linear(r"(a)\1") is None
    assert pii.marked({"patternProperties": {r"(a)\1": {"x-pii": True}}}, {"b": 7}) == [7]


def test_a_name_with_half_a_surrogate_pair_counts_as_marked() -> None:
    assert pii.marked(NAMES, {"\ud800": 7}) == [7]


def test_the_end_of_a_text_as_python_writes_it_becomes_that_of_json_schema() -> None:
    written = {"properties": {"default": {"pattern": r"^a\Z"}, "pattern": {"pattern": r"(a\Z|b\Z)"}}}
    plain = plain_ends({"anyOf": [written, {"pattern": r"^\\Z$"}]})
    assert plain["anyOf"][0]["properties"] == {
        "default": {"pattern": "^a$"},
        "pattern": {"pattern": "(a$|b$)"},
    }
    assert plain["anyOf"][1] == {"pattern": r"^\\Z$"}, "a backslash and a letter Z"
    assert not validator(plain_ends({"pattern": r"^a\Z"})).is_valid("a\n")

"""A pattern is registered only if linear engines take it and answer in time."""

from __future__ import annotations

import pytest

from models_registry.core.registry_errors import RegistrationError
from models_registry.services.pattern_trial import try_patterns

MARK = {"x-pii": True}


def test_ordinary_patterns_pass() -> None:
    try_patterns("input_schema", {"pattern": r"^([a-z]+_?)+$", "patternProperties": {r"^\d{3}-\w+$": MARK}})


@pytest.mark.parametrize(
    "schema",
    [{"items": {"pattern": r"(a)\1"}}, {"patternProperties": {"^(?!x)": {}}}, {"anyOf": [{"pattern": "("}]}],
)
def test_a_backreference_or_lookaround_is_refused_with_its_field_and_text(schema: dict[str, object]) -> None:
    with pytest.raises(RegistrationError, match=r"input_schema has the pattern .* without backtracking"):
        try_patterns("input_schema", schema)


def test_only_a_schema_with_personal_data_must_suit_the_second_engine() -> None:
    try_patterns("input_schema", {"patternProperties": {r"^\u0041": {}}})
    with pytest.raises(RegistrationError, match="escape"):
        try_patterns("input_schema", {"patternProperties": {r"^\u0041": MARK}})


def test_a_pattern_that_is_slow_although_it_is_linear_is_refused() -> None:
    with pytest.raises(RegistrationError, match=r"takes more than 0\.1 s for a text of"):
        try_patterns("input_schema", {"pattern": r"(?:(?:[a-z]?[a-z]?){60}){60}$|(?:.?.?){900}x"})

"""The words about a field come from its annotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from models_registry.core.struct_fields import about, allowed, did_you_mean, field_rows, first_fault, nearest


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1), about("Bytes.")] = 1


class Outer(Struct):
    inner: Annotated[Inner, about("An object.")] = Inner()
    names: Annotated[tuple[str, ...], about("Some names.")] = ("a", "b")
    unknown: Annotated[str | None, about("Perhaps a text.", default="found out", allowed="anything")] = None
    private: int = 0


@dataclass
class Plain:
    flag: Annotated[bool, about("A flag.")] = True


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (bool, "true or false"),
        (int, "a whole number"),
        (Annotated[int, Meta(ge=1, le=366)], "a whole number from 1 to 366"),
        (Annotated[int, Meta(ge=1)] | None, "a whole number of at least 1 or null"),
        (Annotated[float, Meta(gt=0)], "a number above 0"),
        (Annotated[float, Meta(gt=0, le=604_800)], "a number above 0, at most 604,800"),
        (Annotated[float, Meta(ge=0.01, le=0.99)], "a number from 0.01 to 0.99"),
        (Literal["a", "b"], "one of a, b"),
        (tuple[str, ...], "a list"),
        (Inner, "an object"),
    ],
)
def test_a_type_is_put_into_words(kind: Any, words: str) -> None:
    assert allowed(kind) == words


def test_described_fields_have_rows_and_others_have_none() -> None:
    assert field_rows(Outer) == [
        ("inner", "an object", "", "An object."),
        ("inner.size", "a whole number of at least 1", "1", "Bytes."),
        ("names", "a list", "a, b", "Some names."),
        ("unknown", "anything", "found out", "Perhaps a text."),
    ]
    assert field_rows(Plain) == [("flag", "true or false", "true", "A flag.")]


def test_the_first_fault_is_found_at_any_depth() -> None:
    assert first_fault(Outer, {"names": ["a"], "inner": {"size": 1}}) == ""
    assert first_fault(Outer, {"inner": {"size": "1"}}, strict=False) == ""
    assert first_fault(Outer, {"inner": {"size": "1"}}).startswith("The option inner.size is '1'")
    assert first_fault(Outer, {"inner": {"sise": 1}}).startswith("There is no option inner.sise; did you")


def test_the_nearest_name_is_offered_only_if_it_is_near() -> None:
    assert (nearest("retrys", ["retry", "shed"]), nearest("colour", ["retry", "shed"])) == ("retry", None)
    assert nearest("retrys", ["retry"], likeness=0.95) is None
    assert (did_you_mean("retrys", ["retry"]), did_you_mean("x", ["retry"])) == ("; did you mean retry?", ".")

"""A described field is a setting; its variable is its name in capitals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from inference_site.environment import ServerUrl, Words, read, rows
from models_registry.core.struct_fields import about


@dataclass(frozen=True)
class Settings:
    speed: Annotated[Literal["slow", "fast"], about("The speed.")] = "slow"
    limit_s: Annotated[float, Meta(gt=0, le=9), about("A limit.")] = 1.0
    name_words: Annotated[Words, about("Words.", allowed="words")] = ("a",)
    server: Annotated[ServerUrl, about("A server.")] = ""
    derived: int = 0


@pytest.mark.parametrize(
    ("environ", "values"),
    [
        ({}, {}),
        ({"SPEED": " FAST "}, {"speed": "fast"}),
        ({"LIMIT_S": "2"}, {"limit_s": 2.0}),
        ({"NAME_WORDS": "b, ,c,"}, {"name_words": ("b", "c")}),
        ({"SERVER": "https://host:1/"}, {"server": "https://host:1"}),
        ({"DERIVED": "1", "LIMIT_S": ""}, {}),
    ],
)
def test_variables_become_typed_values(environ: dict[str, str], values: dict[str, Any]) -> None:
    assert read(Settings, environ) == (values, [])


@pytest.mark.parametrize(
    ("environ", "mistake"),
    [
        ({"SPEED": "quick"}, "SPEED is 'quick'; it must be one of fast, slow."),
        ({"LIMIT_S": "0"}, "LIMIT_S is '0'; it must be a number above 0, at most 9."),
        ({"LIMIT_S": "nan"}, "LIMIT_S is 'nan'; it must be a number above 0, at most 9."),
        (
            {"SERVER": "https://me:secret@h"},
            "SERVER must be http:// or https:// and a host, with no user and no path.",
        ),
        ({"NAMEWORDS": "b"}, "There is no setting NAMEWORDS; did you mean NAME_WORDS?"),
    ],
)
def test_a_wrong_value_or_name_is_a_sentence(environ: dict[str, str], mistake: str) -> None:
    assert read(Settings, environ) == ({}, [mistake])


def test_a_misspelt_name_is_ignored_if_the_right_one_is_set_too() -> None:
    assert read(Settings, {"NAMEWORDS": "b", "NAME_WORDS": "c"}) == ({"name_words": ("c",)}, [])


def test_each_described_field_has_a_row() -> None:
    assert [row.name for row in rows(Settings)] == ["SPEED", "LIMIT_S", "NAME_WORDS", "SERVER"]
    assert rows(Settings)[2] == ("NAME_WORDS", "a", "Words. Allowed: words.")

"""A text that quotes a value has a token in its place, however it was quoted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.core.payloads.keyed_digest import derived, keyed, parameters_digest_of, token_of
from jobs.core.payloads.redaction import Redactor

KEY = derived(b"root", "token")
Secret = st.text(min_size=4, max_size=20)


def redacted(text: str, *parts: Any, names: tuple[str, ...] = (), most: int | None = None) -> str:
    return Redactor(parts, names=names, token=lambda value: token_of(KEY, value)).text(text, most=most)


@given(Secret, st.text(max_size=10), st.text(max_size=10))
def test_a_value_is_found_in_each_spelling(secret: str, before: str, after: str) -> None:
    token = token_of(KEY, secret)
    assume(secret not in token)
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        shown = redacted(f"{before}<{form}>{after}", secret)
        assert not any(form in part for part in shown.split(token))
        assert token in shown


@given(Secret, st.integers(3, 19))
def test_the_rest_of_a_value_at_the_cut_of_a_text_is_redacted_too(secret: str, length: int) -> None:
    assume(length < len(secret) and len(set(secret)) > 2)
    assert secret[:length] not in redacted(f"ends in {secret[:length]}", secret, most=10)[8:]
    assert secret[-length:] not in redacted(f"{secret[-length:]} begins", secret, most=8)[:-7]


def test_capitals_and_unstorable_characters_hide_no_value() -> None:
    token = token_of(KEY, "Alice")
    assert redacted("ALICE, alice and aLiCe", "Alice") == f"{token}, {token} and {token}"
    nul = token_of(KEY, "a\0nul")
    assert redacted("with a\ufffdnul", "a\0nul") == f"with {nul}"


def test_one_token_replaces_one_value_and_the_longest_value_wins() -> None:
    shown = redacted("alice met alice cooper, not al", "alice", "alice cooper", "al")
    short, long = token_of(KEY, "alice"), token_of(KEY, "alice cooper")
    assert shown == f"{short} met {long}, not al"


def test_tokens_are_not_redacted_again() -> None:
    token = token_of(KEY, "alice")
    assert redacted("alice", "alice", token[4:9], "pii") == token


def test_numbers_are_found_as_they_are_written_and_as_whole_numbers_only() -> None:
    shown = redacted("id 123456 is not 1234567, nor 12.5 or 12", 123456, 12.5, 12)
    assert shown == f"id {token_of(KEY, 123456)} is not 1234567, nor {token_of(KEY, 12.5)} or 12"


def test_all_values_of_a_marked_part_count_but_no_names_from_the_schema() -> None:
    part = {"name": ["bob smith", {"bob's street": True}], "other": None}
    shown = redacted("name: bob smith, bob's street, other, True", part, names=("name",))
    assert "name: pii:" in shown
    assert not any(word in shown for word in ("smith", "street", "other"))
    assert shown.endswith("True")


def test_a_redacted_value_is_still_json() -> None:
    redactor = Redactor(["alice", 123456], names=(), token=lambda value: token_of(KEY, value))
    value = redactor.value({"of alice": ["alice", 123456, 1234567, True, None]})
    name, number = token_of(KEY, "alice"), token_of(KEY, 123456)
    assert value == {f"of {name}": [name, number, 1234567, True, None]}


@pytest.mark.parametrize("nothing", ["", "ab", None, True, 7, [], {}])
def test_short_or_meaningless_values_are_not_redacted(nothing: Any) -> None:
    assert redacted("ab 7 True None", nothing) == "ab 7 True None"


@given(st.binary(), st.binary())
def test_keyed_digests_are_of_the_key_and_the_purpose(body: bytes, root: bytes) -> None:
    one, other = derived(root, "token"), derived(root, "answer")
    assert one != other
    assert keyed(one, body) == keyed(one, body) != keyed(other, body)
    assert 0 <= parameters_digest_of(one, body) < 2**28
    assert parameters_digest_of(one, None) == 0


def test_equal_values_have_one_token_in_any_spelling() -> None:
    assert token_of(KEY, {"a": 1, "b": 2}) == token_of(KEY, {"b": 2, "a": 1})
    assert token_of(KEY, "1") != token_of(KEY, 1)
    assert len(token_of(KEY, "")) == 20

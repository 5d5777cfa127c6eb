"""What decides which version a job gets, as bytes."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.core.submission.routed_job import key_of, stored_key
from jobs.core.submission.sticky_value import client_value, input_value, job_value, pointed_value


@pytest.mark.parametrize(
    ("pointer", "metadata", "expected"),
    [
        ("/a", {"a": 1}, b"1"),
        ("/a", {"a": None}, b"null"),
        ("/a/b", {"a": {"b": {"y": 1, "x": 2}}}, b'{"x":2,"y":1}'),
        ("/a/1", {"a": ["x", "y"]}, b'"y"'),
        ("/a~1b/~0", {"a/b": {"~": "z"}}, b'"z"'),
        ("/", {"": 5}, b"5"),
        ("/a", None, None),
        ("/a", {}, None),
        ("/a/b", {"a": 1}, None),
        ("/a/2", {"a": ["x", "y"]}, None),
        ("/a/-1", {"a": ["x", "y"]}, None),
        ("/a/²", {"a": ["x", "y"]}, None),
        ("/a/b", {"a": ["x"]}, None),
    ],
)
def test_a_pointer_leads_to_the_canonical_value_or_to_nothing(
    pointer: str, metadata: Any, expected: bytes | None
) -> None:
    value = pointed_value(f"metadata:{pointer}", metadata)
    assert value == (None if expected is None else f"metadata:{pointer}/".encode() + expected)


def test_values_of_different_kinds_differ() -> None:
    values = [
        input_value(b"h" * 32, None),
        input_value(b"h" * 32, b"{}"),
        client_value(1),
        client_value(11),
        job_value(b"1"),
    ]
    assert len({*values}) == len(values)


@pytest.mark.parametrize("key", [b"\0" * 8, b"\xff" * 8, b"\x80" + b"\0" * 7, b"12345678"])
def test_a_key_is_stored_as_a_signed_number_and_read_again(key: bytes) -> None:
    assert key_of(stored_key(key)) == key
    assert -(2**63) <= stored_key(key) < 2**63

"""Only short plain values of named fields can be searched for."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.core.submission.job_labels import MOST_CHARS, job_labels


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("acme", "acme"),
        (7, "7"),
        (0.5, "0.5"),
        (True, "true"),
        (False, "false"),
        ("x" * MOST_CHARS, "x" * MOST_CHARS),
    ],
)
def test_a_plain_value_is_a_text(value: Any, text: str) -> None:
    assert job_labels({"tenant": value, "other": 1}, ["tenant"]) == (("tenant", text),)


@pytest.mark.parametrize(
    "value", [None, [1], {"a": 1}, "x" * (MOST_CHARS + 1), "a\0b", "\ud800", "two\nlines"], ids=repr
)
def test_another_value_is_left_out(value: Any) -> None:
    assert job_labels({"tenant": value}, ["tenant"]) == ()


def test_a_job_without_the_field_or_without_metadata_has_no_label() -> None:
    assert job_labels({"other": "x"}, ["tenant"]) == ()
    assert job_labels(None, ["tenant"]) == ()

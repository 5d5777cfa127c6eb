"""Labels that mean the same are one label."""

from __future__ import annotations

import pytest

from jobs.core.cascades.plain_label import plain_label


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        ("true", "1"), ("True", "1"), ("1", "1"), ("1.0", "1"), ("false", "0"), ("0.00", "0"), ("-3.0", "-3"),
        ("1.5", "1.5"), ("1.", "1."), ("1.0.0", "1.0.0"), ("007", "007"), ("TRUE", "TRUE"),
        ("1.0\n", "1.0\n"), ("", ""), ("invoice", "invoice"), ("²", "²"),
    ],
)  # fmt: skip
def test_booleans_and_whole_numbers_have_one_form(label: str, plain: str) -> None:
    assert plain_label(label) == plain

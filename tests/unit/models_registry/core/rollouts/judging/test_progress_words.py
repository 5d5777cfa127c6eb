"""Durations and numbers as a person reads them."""

from __future__ import annotations

import pytest

from models_registry.core.rollouts.judging.progress_words import about, duration_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 s"),
        (59.0, "59 s"),
        (360.0, "6 min"),
        (3_600.0, "1 h"),
        (12_000.0, "3 h 20 min"),
        (86_400.0, "1 day"),
        (90_000.0, "1 day 1 h"),
        (5 * 86_400.0, "5 days"),
        (14 * 2_629_800.0, "14 months"),
        (2_629_800.0, "1 month"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0.4, "0"), (61.2, "61"), (100.0, "100"), (4_931.0, "4,900"), (1.4e6, "1,400,000")]
)
def test_large_numbers_have_two_digits(number: float, words: str) -> None:
    assert about(number) == words

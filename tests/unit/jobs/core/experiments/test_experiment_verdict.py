"""The verdict follows the hypothesis; settings that differ are named with both values."""

from __future__ import annotations

import pytest

from jobs.core.experiments.experiment_verdict import (
    ExperimentVerdict,
    Judged,
    differing_settings,
    sentence_of,
    verdict_on,
)
from jobs.core.loadtest.load_comparison import ComparedFigure, ComparedWord

P95 = ComparedFigure("p95 ms", 100.0, (95.0, 105.0), 80.0, (75.0, 85.0), "better")


@pytest.mark.parametrize(
    ("expected", "word", "verdict"),
    [
        ("better", "better", ExperimentVerdict.SUPPORTED),
        ("better", "same", ExperimentVerdict.REFUTED),
        ("same", "same", ExperimentVerdict.SUPPORTED),
        ("same", "worse", ExperimentVerdict.REFUTED),
        ("worse", "worse", ExperimentVerdict.SUPPORTED),
    ],
)
def test_the_verdict_follows_what_was_expected(
    expected: str, word: ComparedWord, verdict: ExperimentVerdict
) -> None:
    assert verdict_on(expected, Judged(word, [P95], True)) is verdict
    assert verdict_on(expected, Judged(word, [P95], False)) is ExperimentVerdict.INVALID


def test_the_sentence_names_what_differs() -> None:
    assert sentence_of(Judged("better", [P95], True)) == "better: p95 ms 100.0 -> 80.0 (better)"
    assert "no figure differs" in sentence_of(Judged("same", [P95._replace(word="same")], True))
    assert sentence_of(Judged("better", [P95], False)).endswith("because a run is invalid")


def test_settings_that_differ_or_are_new_are_named() -> None:
    assert differing_settings({"A": 1, "B": 2, "C": 3}, {"A": 1, "B": 4, "D": 5}) == {
        "B": (2, 4),
        "C": (3, None),
        "D": (None, 5),
    }

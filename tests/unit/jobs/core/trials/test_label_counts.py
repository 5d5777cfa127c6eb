"""Confusion by label, and exchanged labels."""

from __future__ import annotations

from typing import Any

from jobs.core.trials.label_counts import MOST_LABELS, OTHER, LabelCounts, label_of

PARTS: list[Any] = [3, 3.0, "a", True, None, [], "", "x" * 64]


def test_exchanged_labels_are_named_and_mere_errors_are_not() -> None:
    counts = LabelCounts()
    for right, answered, times in (
        ("3", "8", 9), ("3", "3", 1), ("8", "3", 7), ("8", "8", 2), ("1", "7", 6), ("7", "7", 5),
        ("1", "1", 3),
    ):  # fmt: skip
        for _ in range(times):
            counts.add(right, answered)
    (exchanged,) = counts.exchanged()
    assert exchanged == ("3", "8", 9, 10, 7, 9)
    assert str(exchanged).startswith("The labels 3 and 8 are exchanged: 9 of 10 jobs of 3 are answered 8")
    assert counts.labels == ["1", "3", "7", "8"]
    assert (counts.equal, counts.total) == (11, 33)


def test_labels_are_few_and_short() -> None:
    counts = LabelCounts()
    for number in range(MOST_LABELS + 50):
        counts.add(str(number), "x")
    assert len(counts.labels) == MOST_LABELS + 1
    assert OTHER in counts.labels
    assert [label_of(part) for part in PARTS] == [
        "3", "3", "a", "true", None, None, None, None,
    ]  # fmt: skip

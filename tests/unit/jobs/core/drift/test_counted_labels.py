"""Labels by count: bounded, and compared in an order that no hour can choose."""

from __future__ import annotations

from collections import Counter

from jobs.core.drift.counted_labels import (
    MOST_COMPARED,
    MOST_STORED,
    OTHER,
    add_label,
    compared_labels,
    decoded,
    encoded,
    label_spread,
    merged,
    shown,
)
from jobs.core.drift.drift_alarm import compare

HALVES = {"cat": 500, "dog": 500}


def test_too_many_different_labels_are_one() -> None:
    counts = Counter[str]()
    for number in range(MOST_STORED + 50):
        add_label(counts, f"{number}")
    add_label(counts, "3")
    assert (len(counts), counts[OTHER], counts["3"]) == (MOST_STORED + 1, 50, 2)


def test_counts_are_stored_and_merged() -> None:
    assert merged([decoded(encoded(HALVES)), {"cat": 1, "owl": 2}]) == {"cat": 501, "dog": 500, "owl": 2}


def test_the_reference_s_most_frequent_labels_are_compared_by_name() -> None:
    reference = {f"{number:03}": number for number in range(100)} | {OTHER: 10_000}
    names = compared_labels(reference)
    assert len(names) == MOST_COMPARED - 1
    assert names == sorted(names)
    assert names[0] == "051"


def test_a_label_that_is_new_counts_among_the_others() -> None:
    names = compared_labels(HALVES)
    spread = label_spread({"owl": 30, "cat": 10}, names)
    assert (spread.n, spread.shares) == (40, [0.25, 0.25])
    finding = compare(label_spread(HALVES, names), label_spread({"owl": 300}, names))
    assert finding is not None
    assert finding.alarms


def test_half_the_labels_turned_into_the_other_half_alarm_and_the_same_do_not() -> None:
    names = compared_labels(HALVES)
    for counts, alarms in (({"cat": 260, "dog": 240}, False), ({"cat": 450, "dog": 50}, True)):
        finding = compare(label_spread(HALVES, names), label_spread(counts, names))
        assert finding is not None
        assert finding.alarms is alarms


def test_without_labels_nothing_is_compared() -> None:
    assert compare(label_spread(HALVES, ["cat"]), label_spread({}, ["cat"])) is None
    only_new = label_spread({"owl": 5}, [])
    assert compare(only_new, label_spread({"owl": 9}, [])) is not None


def test_what_is_shown_is_bounded() -> None:
    counts = {f"{number}": 1 for number in range(60)} | {"cat": 9}
    seen = shown(counts, 3)
    assert (seen["cat"], seen[OTHER], len(seen)) == (9, 58, 4)

"""How many copies a batch may have: it grows from one, and stays within the rule's seconds."""

from __future__ import annotations

from itertools import pairwise

import pytest

from jobs.core.shadow.copy_pace import LONGEST_REST_S, LOOK_AGAIN_S, CopyPace


def ran(pace: CopyPace, each_s: float, *, fixed_s: float = 0.0, times: int = 30) -> list[int]:
    """Run batches as large as they may be, and return their sizes."""
    sizes = []
    for now in range(times):
        size = pace.size(float(now))
        if size:
            pace.ran(size, fixed_s + size * each_s, float(now))
        sizes.append(size)
    return sizes


def test_batches_grow_from_one_to_what_is_predicted_to_fit() -> None:
    sizes = ran(CopyPace(0.05, 64), 0.002)
    assert sizes[:2] == [1, 1]
    assert all(later <= 2 * size for size, later in pairwise(sizes))
    assert max(size * 0.002 for size in sizes) <= 0.0501
    assert sizes[-1] >= 20


def test_a_batch_has_no_more_copies_than_both_versions_take() -> None:
    assert max(ran(CopyPace(0.05, 8), 0.0001)) == 8


def test_the_first_batch_is_not_learned_from() -> None:
    pace = CopyPace(0.05, 64)
    pace.ran(1, 30.0, 0.0)  # it was compiled
    assert pace.one_s is None
    assert pace.size(1.0) == 1


def test_where_one_copy_takes_too_long_none_runs_but_one_a_minute() -> None:
    pace = CopyPace(0.05, 64)
    for now in (0.0, 1.0):
        pace.ran(1, 0.2, now)
    assert pace.one_s == pytest.approx(0.2)
    assert pace.size(2.0) == 0
    assert pace.size(1.0 + LOOK_AGAIN_S) == 1


def test_copies_run_in_the_share_of_the_time_that_they_may_have() -> None:
    pace, now, busy_s = CopyPace(0.05, 64, 0.002), 0.0, 0.0
    while now < 3_600.0:
        if pace.rests(now):
            now += 0.25
            continue
        size = pace.size(now)
        seconds = 0.02 + size * 0.002
        pace.ran(size, seconds, now)
        now += seconds
        busy_s += seconds
        pace.spent(seconds, now)
    assert busy_s / now == pytest.approx(0.002, rel=0.02)


def test_a_first_batch_that_took_long_is_followed_by_a_rest_of_a_minute() -> None:
    pace = CopyPace(0.05, 64, 0.002)
    pace.ran(1, 30.0, 30.0)
    pace.spent(30.0, 30.0)
    assert pace.rests(30.0 + LONGEST_REST_S - 0.1)
    assert not pace.rests(30.0 + LONGEST_REST_S)


def test_with_all_of_the_time_there_is_no_rest() -> None:
    pace = CopyPace(0.05, 64)
    pace.spent(0.05, 10.0)
    assert not pace.rests(10.0)


def test_a_rest_does_not_say_that_a_copy_takes_too_long() -> None:
    pace = CopyPace(0.05, 64, 0.002)
    for now in (0.0, 1.0):
        pace.ran(1, 0.01, now)
    pace.spent(0.01, 1.0)
    assert pace.rests(1.1)
    assert pace.too_long_s is None
    pace.ran(1, 0.5, 10.0)
    assert pace.too_long_s is not None

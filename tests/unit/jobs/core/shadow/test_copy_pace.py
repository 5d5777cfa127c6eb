"""How many copies a batch may have: it grows from one, and stays within the rule's seconds."""

from __future__ import annotations

from itertools import pairwise

import pytest

from jobs.core.shadow.copy_pace import LOOK_AGAIN_S, CopyPace


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

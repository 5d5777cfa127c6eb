"""Least recently used leaves first, one in use or pinned never, and never more than need be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.core.residency import Evict, Never, Residency, Wait

NEW = -1


def shelf(budget: int | None, *sizes: int) -> Residency:
    """Return a shelf of versions 0, 1, 2 … of these sizes, used in this order."""
    residency = Residency(budget)
    for version, size in enumerate(sizes):
        residency.add(version, size)
    return residency


def test_without_a_budget_nothing_leaves() -> None:
    assert shelf(None, 10, 10).room_for(NEW, 10**12) == Evict()


def test_a_version_that_fits_evicts_no_other() -> None:
    assert shelf(100, 40, 40).room_for(NEW, 20) == Evict()


def test_the_least_recently_used_leaves_first() -> None:
    residency = shelf(100, 40, 40)
    assert residency.room_for(NEW, 21) == Evict((0,))
    residency.acquire(0)
    residency.release(0)
    assert residency.room_for(NEW, 21) == Evict((1,))
    assert residency.room_for(NEW, 61) == Evict((1, 0))


def pin(residency: Residency, *versions: int) -> None:
    residency.keep(pinned=versions, shared=(), warm=())


def test_a_version_in_use_stays_and_is_waited_for() -> None:
    residency = shelf(100, 60, 40)
    residency.acquire(0)
    assert residency.room_for(NEW, 40) == Evict((1,))
    assert residency.room_for(NEW, 41) == Wait((0,))
    residency.release(0)
    assert residency.room_for(NEW, 41) == Evict((1, 0))


def test_a_pinned_version_is_not_waited_for() -> None:
    residency = shelf(100, 60, 40)
    pin(residency, 0)
    assert residency.room_for(NEW, 40) == Evict((1,))
    assert residency.room_for(NEW, 41) == Never(40)
    pin(residency)
    assert residency.room_for(NEW, 41) == Evict((0,))


def test_a_version_larger_than_the_budget_never_fits() -> None:
    assert shelf(100).room_for(NEW, 101) == Never(100)
    assert shelf(100).room_for(NEW, 100) == Evict()


def test_a_version_without_memory_is_not_evicted() -> None:
    assert shelf(100, 0, 100, 0).room_for(NEW, 50) == Evict((1,))


def test_a_version_larger_than_estimated_evicts_others() -> None:
    residency = shelf(100, 50, 30)
    residency.acquire(1)
    assert residency.room_for(1, 50) == Evict()
    assert residency.room_for(1, 70) == Evict((0,))
    assert residency.room_for(1, 101) == Never(100)
    residency.resize(1, 70)
    assert residency.occupied_bytes == 120


def test_running_batches_count_once_a_lane_the_largest_of_them() -> None:
    for lanes, fits in ((1, 30), (2, 10), (3, 10)):
        residency = Residency(100, lanes)
        residency.add(0, 20, 20)
        residency.add(1, 20, 10)
        assert residency.occupied_bytes == (60 if lanes == 1 else 70)
        assert residency.room_for(NEW, fits, 20) == Evict(), lanes
    residency = Residency(100)
    residency.add(0, 20, 20)
    assert residency.room_for(NEW, 50, 30) == Evict()
    assert residency.room_for(NEW, 51, 30) == Evict((0,))
    pin(residency, 0)
    assert residency.room_for(NEW, 51, 30) == Never(50)
    assert residency.room_for(NEW, 61, 10) == Never(60)  # the pinned version's own batches need 20


def test_a_version_whose_batches_need_memory_is_worth_evicting() -> None:
    residency = Residency(100)
    residency.add(0, 0, 60)
    residency.add(1, 40, 0)
    residency.acquire(1)
    assert residency.room_for(NEW, 30, 30) == Evict((0,))
    residency.resize(0, 0, 0)
    assert residency.room_for(NEW, 30, 30) == Evict()
    assert residency.room_for(NEW, 40, 30) == Wait((1,))


def test_a_release_too_many_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="more often"):
        shelf(100, 10).release(0)


SHELVES = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=8)


@given(SHELVES, st.integers(0, 120), st.integers(50, 200), st.randoms())
def test_a_plan_evicts_in_order_of_use_and_spares_pinned_versions(
    rows: list[tuple[int, bool, bool]], more: int, budget: int, chance: Any
) -> None:
    residency = shelf(budget, *(size for size, *_ in rows))
    order = list(range(len(rows)))
    chance.shuffle(order)
    for version in order:
        residency.acquire(version)
        if not rows[version][1]:
            residency.release(version)
    pin(residency, *(version for version in order if rows[version][2]))
    plan = residency.room_for(NEW, more)
    idle = [v for v in order if not rows[v][1] and not rows[v][2] and rows[v][0]]
    if isinstance(plan, Evict):
        assert list(plan.versions) == idle[: len(plan.versions)]
        occupied = residency.occupied_bytes - sum(rows[v][0] for v in plan.versions)
        assert occupied + more <= budget
        if plan.versions:
            assert occupied + rows[plan.versions[-1]][0] + more > budget
    if isinstance(plan, Wait):
        assert residency.occupied_bytes - sum(rows[v][0] for v in idle) + more > budget
        assert plan.versions
    if isinstance(plan, Never):
        assert more + sum(size for size, _, pinned in rows if pinned) > budget


def test_what_an_alias_has_left_is_evicted_last() -> None:
    residency = Residency(100)
    for version in (1, 2):
        residency.add(version, 40)
    residency.keep(pinned=(), shared=(), warm=(1,))
    assert residency.room_for(3, 40) == Evict((2,))
    assert residency.room_for(3, 90) == Evict((2, 1))


def test_versions_with_traffic_that_do_not_fit_together_take_turns_and_no_other_evicts_them() -> None:
    residency = Residency(100)
    residency.keep(pinned=(1, 2, 3), shared=(1, 2), warm=())
    residency.add(1, 60)
    assert residency.room_for(2, 60) == Evict((1,))
    assert residency.room_for(3, 60) == Never(40)
    assert residency.room_for(4, 60) == Never(40)


def test_where_memory_runs_out_the_least_needed_leaves_first_and_what_has_traffic_stays() -> None:
    residency = shelf(None, 10, 10, 10, 10)
    residency.keep(pinned=(1,), shared=(1,), warm=(0,))
    residency.acquire(3)
    leave = list[int]()
    while (version := residency.next_out(NEW)) is not None:
        leave.append(version)
        residency.remove(version)
    assert leave == [2, 0]

"""Which versions are slow by their times, from which size an input is, and how many lanes they may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.batching.lane_choice import Lane, most_slow, slices, slow_by_time, slow_from


@pytest.mark.parametrize(
    ("slow_s", "fast_s", "chosen"),
    [
        (1.01, 0.05, {"slow"}),
        (0.99, 0.05, set()),  # not above a second
        (2.0, 0.21, set()),  # not ten times the fastest
        (2.0, 0.19, {"slow"}),
    ],
)
def test_a_version_is_slow_above_a_second_and_ten_times_the_fastest(
    slow_s: float, fast_s: float, chosen: set[str]
) -> None:
    assert slow_by_time({"slow": slow_s, "fast": fast_s}, asked={"slow"}, slow=set()) == chosen


def test_a_version_alone_is_never_slow() -> None:
    assert slow_by_time({"only": 30.0}, asked={"only"}, slow=set()) == set()


def test_only_versions_that_ask_for_it_are_judged() -> None:
    assert slow_by_time({"slow": 30.0, "fast": 0.1}, asked=set(), slow=set()) == set()


def test_a_slow_version_stays_slow_a_little_below_the_limits_and_then_is_fast_again() -> None:
    def slow(seconds: float) -> set[str]:
        return slow_by_time({"a": seconds, "b": 0.05}, asked={"a"}, slow={"a"})

    assert (slow(0.85), slow(0.79)) == ({"a"}, set())


def test_a_version_without_a_time_is_as_it_was() -> None:
    assert slow_by_time({"b": 0.1}, asked={"a", "c"}, slow={"a"}) == {"a"}


def test_an_input_is_slow_from_the_size_on_that_is_predicted_above_the_limit() -> None:
    assert slow_from(above_s=2.0, fixed_s=0.5, per_unit_s=0.01, padded=True) == 150
    assert slow_from(above_s=2.0, fixed_s=2.5, per_unit_s=0.01, padded=True) == 0
    assert slow_from(above_s=2.0, fixed_s=0.5, per_unit_s=0.0, padded=True) is None
    assert slow_from(above_s=1e5, fixed_s=0.5, per_unit_s=1e-9, padded=True) is None


def test_where_nothing_is_padded_all_inputs_are_slow_or_none() -> None:
    assert slow_from(above_s=1.0, fixed_s=0.5, per_unit_s=0.6, padded=False) == 0
    assert slow_from(above_s=1.0, fixed_s=0.5, per_unit_s=0.4, padded=False) is None


@given(
    above_s=st.floats(0.01, 100),
    fixed_s=st.floats(0, 10),
    per_unit_s=st.floats(1e-6, 1),
    size=st.integers(1, 10**6),
)
def test_no_larger_input_is_predicted_to_be_faster(
    above_s: float, fixed_s: float, per_unit_s: float, size: int
) -> None:
    least = slow_from(above_s=above_s, fixed_s=fixed_s, per_unit_s=per_unit_s, padded=True)
    predicted_s = fixed_s + per_unit_s * size
    if least is None or size < least:
        assert predicted_s <= above_s * (1 + 1e-9)
    elif size > least:
        assert predicted_s >= above_s * (1 - 1e-9)


@pytest.mark.parametrize(
    ("lanes", "worker", "most", "sliced"),
    [
        (1, Lane.AUTO, None, True),
        (2, Lane.AUTO, 1, False),
        (4, Lane.AUTO, 3, False),
        (4, Lane.FAST, 3, False),
        (1, Lane.FAST, None, True),
        (4, Lane.SLOW, None, False),
        (1, Lane.SLOW, None, False),
    ],
)
def test_a_lane_is_kept_for_fast_batches_unless_the_worker_is_for_slow_ones(
    lanes: int, worker: Lane, most: int | None, *, sliced: bool
) -> None:
    assert (most_slow(lanes, worker), slices(lanes, worker)) == (most, sliced)

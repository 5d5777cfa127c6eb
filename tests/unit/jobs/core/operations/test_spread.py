"""Percentiles of many jobs come from counts in buckets, which can be added up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.operations.spread import Spread, bucket_of, percentiles_of, seconds_of, share_within


@given(st.floats(min_value=0.001, max_value=3_600))
def test_a_bucket_s_time_is_within_two_and_a_half_percent_of_what_is_in_it(seconds: float) -> None:
    assert seconds_of(bucket_of(seconds)) == pytest.approx(seconds, rel=0.026)


def test_what_took_no_time_or_less_is_in_the_first_bucket() -> None:
    assert {bucket_of(seconds) for seconds in (-3.0, 0.0, 0.0005, 0.001)} == {0}


def test_percentiles_are_by_the_nearest_rank() -> None:
    spread = Spread(bucket_of(second) for second in range(1, 101))
    times = percentiles_of(spread)
    assert times.count == 100
    assert [times.p50_s, times.p95_s, times.p99_s] == pytest.approx([50, 95, 99], rel=0.026)


def test_of_no_jobs_there_are_no_percentiles_and_no_share() -> None:
    assert (percentiles_of(Spread()).p95_s, percentiles_of(Spread()).count) == (None, 0)
    assert share_within(Spread(), 1.0) is None


def test_the_share_within_a_goal_counts_those_that_took_less() -> None:
    assert share_within(Spread([bucket_of(0.1)] * 3 + [bucket_of(2.0)]), 1.0) == 0.75

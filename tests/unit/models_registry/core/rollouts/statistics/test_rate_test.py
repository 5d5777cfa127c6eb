"""The test of failures over many strata: counts, harm, and which ratio is used when."""

from __future__ import annotations

import pytest

from models_registry.core.rollouts.statistics.hypergeometric import Stratum
from models_registry.core.rollouts.statistics.rate_test import RateTest, with_batches, with_keys


def test_equal_rates_lose_the_bet_and_a_worse_candidate_wins_it() -> None:
    equal = worse = RateTest()
    for _ in range(20):
        equal = with_keys(equal, Stratum(10, 90, 1, 9))
        worse = with_keys(worse, Stratum(10, 90, 4, 9))
    assert equal.e < 0.2
    assert worse.e > 200
    assert [equal.harm, worse.harm] == pytest.approx([0.0, 0.3])


def test_the_adaptive_ratio_is_a_point_above_the_stable_s_rate_of_the_past() -> None:
    test = RateTest()
    assert test.ratios[-1] == pytest.approx((0.0025 + 0.01) / 0.0025)
    test = with_keys(test, Stratum(100, 9_800, 0, 98))
    assert test.ratios[-1] == pytest.approx(2.0, rel=0.02)
    failing = with_keys(RateTest(), Stratum(100, 9_800, 50, 0))
    assert failing.ratios[-1] > test.ratios[-1]  # the candidate's own failures do not move it


def test_harm_is_compared_within_strata_so_that_a_drift_under_a_growing_share_is_none() -> None:
    test = with_keys(RateTest(), Stratum(10, 990, 0, 0))
    test = with_keys(test, Stratum(500, 500, 30, 30))  # both are at 6 % now, and the share is 50 %
    assert test.failed_ours / test.seen_ours - test.rate_theirs > 0.03  # what the totals say
    assert test.harm == 0.0


def test_a_stratum_of_one_side_counts_for_nothing() -> None:
    assert with_keys(RateTest(), Stratum(9, 0, 9, 0)) == RateTest()
    assert with_batches(RateTest(), Stratum(0, 9, 0, 9)) == RateTest()


def test_batches_that_fail_as_a_whole_are_evidence_but_no_keys() -> None:
    test = RateTest()
    for _ in range(5):
        test = with_batches(test, Stratum(2, 2, 2, 0))
    assert test.e > 1.0
    assert test.harm == 1.0
    assert test.harm_of_keys == 0.0
    assert (test.seen_ours, test.failed_ours, test.part) == (0, 0, 0.0)


def test_batches_without_failures_do_not_hide_the_harm_of_keys() -> None:
    test = with_keys(RateTest(), Stratum(10, 10, 5, 0))
    assert with_batches(test, Stratum(10**6, 10**6, 0, 0)).harm == pytest.approx(0.5)


def test_expected_failures_are_at_the_stable_version_s_rate() -> None:
    test = with_keys(RateTest(), Stratum(50, 1_000, 3, 8))
    assert test.expected_ours == pytest.approx(0.4)
    assert RateTest().expected_ours == 0.0

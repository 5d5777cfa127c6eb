from __future__ import annotations

import pytest
from scipy import stats

from models_registry.core.rollouts.statistics.sample_ratio import INVALID_P, chi_square_tail, sample_ratio_p


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("statistic", [0.0, 0.1, 1.0, 3.84, 20.0, 90.0])
def test_the_tail_is_that_of_the_library(freedom: int, statistic: float) -> None:
    assert chi_square_tail(statistic, freedom) == pytest.approx(stats.chi2.sf(statistic, freedom), rel=1e-9)


def test_counts_as_planned_are_likely_and_a_loss_in_one_arm_is_not() -> None:
    assert (sample_ratio_p([5_010, 4_990], [0.5, 0.5]) or 0.0) > 0.5
    assert (sample_ratio_p([5_200, 4_800], [0.5, 0.5]) or 0.0) < INVALID_P
    assert (sample_ratio_p([900, 50, 50], [0.9, 0.05, 0.05]) or 0.0) == pytest.approx(1.0)


def test_shares_need_not_add_up_to_one_and_few_jobs_say_nothing() -> None:
    assert sample_ratio_p([30, 70], [0.03, 0.07]) == pytest.approx(1.0)
    assert sample_ratio_p([1, 8], [0.1, 0.9]) is None
    assert sample_ratio_p([10], [1.0]) is None


def test_a_tiny_arm_hides_nothing_of_the_others() -> None:
    shares = [0.4995, 0.4995, 0.001]
    assert (sample_ratio_p([1_900, 1_100, 3], shares) or 1.0) < 1e-40
    assert (sample_ratio_p([1_510, 1_490, 3], shares) or 0.0) > 0.5
    assert (sample_ratio_p([500, 500, 2_000], shares) or 1.0) < 1e-40, "nor what itself got too much of"


def test_arms_that_expect_too_few_count_together() -> None:
    three = sample_ratio_p([6, 14, 80], [0.08, 0.12, 0.8])
    assert sample_ratio_p([2, 4, 5, 9, 80], [0.04, 0.04, 0.04, 0.08, 0.8]) == pytest.approx(three or 0.0)
    assert sample_ratio_p([3, 3, 4], [0.3, 0.3, 0.4]) is None


def test_a_job_in_an_arm_without_a_share_cannot_be() -> None:
    assert sample_ratio_p([50, 50, 1], [0.5, 0.5, 0.0]) == 0.0
    assert (sample_ratio_p([50, 50, 0], [0.5, 0.5, 0.0]) or 0.0) == 1.0

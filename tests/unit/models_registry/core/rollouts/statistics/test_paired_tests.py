"""Coins and parts: e-values of counts, of mean 1 at the edge of what is allowed."""

from __future__ import annotations

from math import comb

import pytest

from models_registry.core.rollouts.statistics.paired_tests import coin_e, excess_e


@pytest.mark.parametrize("flips", [1, 7, 40])
def test_a_fair_coin_gives_a_mean_of_one(flips: int) -> None:
    assert sum(comb(flips, k) * 0.5**flips * coin_e(k, flips - k) for k in range(flips + 1)) == pytest.approx(
        1
    )


@pytest.mark.parametrize("most", [0.01, 0.2, 0.9])
def test_as_many_hits_as_are_allowed_give_a_mean_of_one(most: float) -> None:
    flips = 30
    chances = [comb(flips, k) * most**k * (1 - most) ** (flips - k) for k in range(flips + 1)]
    assert sum(c * excess_e(k, flips, most) for k, c in enumerate(chances)) == pytest.approx(1)


def test_what_speaks_for_the_candidate_is_no_evidence() -> None:
    assert coin_e(0, 20) < 0.1
    assert coin_e(14, 0) > 1_000
    assert excess_e(0, 1_000, 0.05) < 0.1
    assert excess_e(100, 1_000, 0.05) > 1_000


def test_where_nothing_may_differ_one_difference_is_enough() -> None:
    assert excess_e(0, 1_000, 0.0) == 1.0
    assert excess_e(1, 1_000, 0.0) > 10**9


def test_e_values_of_huge_counts_are_numbers() -> None:
    assert coin_e(10**7, 0) < float("inf")
    assert coin_e(0, 10**7) == 0.0

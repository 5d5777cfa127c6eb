"""The e-value of a stratum: equal to the plain sum, of mean 1 under "no worse", and quick at any size."""

from __future__ import annotations

from itertools import product
from math import comb, exp, inf, isfinite, log
from time import perf_counter

import pytest

from models_registry.core.rollouts.statistics.hypergeometric import Stratum, log_e_values, log_mean_power

RATIOS = (1.5, 2.0, 5.0, 20.0, 101.0)


def chances(ours: int, theirs: int, failed: int) -> dict[int, float]:
    among = range(max(0, failed - theirs), min(failed, ours) + 1)
    return {k: comb(ours, k) * comb(theirs, failed - k) / comb(ours + theirs, failed) for k in among}


@pytest.mark.parametrize("ours", [1, 3, 20])
@pytest.mark.parametrize("theirs", [1, 7, 30])
def test_it_is_the_plain_sum_over_all_ways_to_deal_out_the_failures(ours: int, theirs: int) -> None:
    for failed, ratio in product(range(1, ours + theirs + 1), RATIOS):
        plain = log(sum(chance * ratio**k for k, chance in chances(ours, theirs, failed).items()))
        stratum = Stratum(ours, theirs, *(split := split_of(ours, theirs, failed)))
        assert sum(split) == failed
        assert log_mean_power(stratum, ratio) == pytest.approx(plain, abs=1e-11)


def split_of(ours: int, theirs: int, failed: int) -> tuple[int, int]:
    mine = max(0, failed - theirs)
    return mine, failed - mine


@pytest.mark.parametrize(("ours", "theirs", "failed"), [(5, 95, 4), (50, 50, 30), (95, 5, 9)])
def test_its_mean_is_one_when_the_candidate_is_no_worse(ours: int, theirs: int, failed: int) -> None:
    weighed = [
        [chance * exp(e) for e in log_e_values(Stratum(ours, theirs, k, failed - k), RATIOS)]
        for k, chance in chances(ours, theirs, failed).items()
    ]
    for mean in map(sum, zip(*weighed, strict=True)):
        assert mean == pytest.approx(1.0, abs=1e-9)
        assert mean <= 1.0 + 1e-9


@pytest.mark.parametrize("stratum", [Stratum(0, 9, 0, 5), Stratum(9, 0, 5, 0), Stratum(9, 9, 0, 0)])
def test_one_side_alone_or_no_failure_says_nothing(stratum: Stratum) -> None:
    assert log_e_values(stratum, RATIOS) == [0.0] * len(RATIOS)


def test_thousands_of_failures_take_no_time_and_stay_finite() -> None:
    strata = [
        Stratum(5_000, 5_000, 2_400, 2_600),
        Stratum(100, 9_900, 100, 9_900),
        Stratum(1, 10**6, 1, 9_999),
    ]
    best_s = inf
    for _ in range(5):
        begun = perf_counter()
        values = [log_e_values(stratum, RATIOS) for stratum in strata]
        best_s = min(best_s, perf_counter() - begun)
    assert all(isfinite(value) for row in values for value in row)
    assert best_s < 0.02  # a plain sum of big numbers takes seconds

from __future__ import annotations

import random
from functools import reduce
from math import inf
from statistics import fmean, variance

import pytest

from models_registry.core.rollouts.statistics.mean_interval import ALPHA, Moments, mean_difference


def moments(values: list[float]) -> Moments:
    return reduce(Moments.with_value, values, Moments())


def test_moments_are_those_of_all_values_however_they_came() -> None:
    values = [1e6 + value for value in (0.5, 2.0, -3.0, 8.0, 8.0, 1.0)]
    whole, parts = moments(values), moments(values[:1]).joined(moments(values[1:])).joined(Moments())
    for found in (whole, parts):
        assert found.n == 6
        assert found.mean == pytest.approx(fmean(values))
        assert found.variance == pytest.approx(variance(values))
    assert Moments().joined(Moments()) == Moments()
    assert moments([3.0]).variance == 0.0


def test_without_values_nothing_is_said_and_of_a_few_everything_is_possible() -> None:
    assert mean_difference(moments([1.0]), Moments()) is None
    few = mean_difference(moments([1.0] * 19), moments([0.0] * 90))
    assert few is not None
    assert (few.difference, few.low, few.high, few.is_certain) == (1.0, -inf, inf, False)


def test_a_difference_is_found_and_its_sign_is_that_of_the_first() -> None:
    rng = random.Random(1)
    one, other = (moments([rng.gauss(mean, 1.0) for _ in range(2_000)]) for mean in (1.0, 1.3))
    found = mean_difference(one, other)
    assert found is not None
    assert found.is_certain
    assert found.low < -0.3 < found.high < 0.0


@pytest.mark.parametrize(("share", "rate"), [(0.5, 0.3), (0.1, 0.3), (0.1, 0.03)])
def test_looking_after_each_job_misleads_in_one_of_twenty_at_most(share: float, rate: float) -> None:
    runs = 150
    looks = [misled(random.Random(seed), share, rate) for seed in range(runs)]
    assert sum(always for always, _ in looks) <= ALPHA * runs
    assert sum(once for _, once in looks) > 4 * ALPHA * runs, "1.96 deviations, which one look may use"


def misled(rng: random.Random, share: float, rate: float) -> tuple[bool, bool]:
    """Return whether the interval, and that of one look, ever left 0 out in a run without a difference."""
    one, other, always, once = Moments(), Moments(), False, False
    for _ in range(600):
        value = float(rng.random() < rate)
        if rng.random() < share:
            one = one.with_value(value)
        else:
            other = other.with_value(value)
        found = mean_difference(one, other)
        if found is not None and found.low > -inf:
            always |= found.is_certain
            deviation = (one.variance / one.n + other.variance / other.n) ** 0.5
            once |= abs(found.difference) > 1.96 * deviation
    return always, once


@pytest.mark.parametrize(("share", "rate"), [(0.05, 0.01), (0.1, 0.03)])
def test_a_small_arm_with_rare_values_misleads_in_one_of_twenty_at_most(share: float, rate: float) -> None:
    """An arm that saw few rare values has a small mean and a small variance at once."""
    runs = 80
    assert sum(misled_by_rare(random.Random(seed), share, rate) for seed in range(runs)) <= ALPHA * runs


def misled_by_rare(rng: random.Random, share: float, rate: float) -> bool:
    """Return whether the interval left 0 out at one of 500 looks, in a run without a difference."""
    seen, rare = [0, 0], [0, 0]
    for _ in range(500):
        for _ in range(20):
            arm = rng.random() < share
            seen[arm] += 1
            rare[arm] += rng.random() < rate
        found = mean_difference(ones(seen[1], rare[1]), ones(seen[0], rare[0]))
        if found is not None and found.is_certain:
            return True
    return False


def ones(n: int, rare: int) -> Moments:
    """Return the moments of `n` values of which `rare` are 1 and all others 0."""
    return Moments(n, rare / n, rare * (n - rare) / n) if n else Moments()

"""The moments of every profile: exactly the rate, in order, the same for the same seed, and of its shape."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from jobs.core.loadtest.send_times import LoadProfile, send_times, slices_of

every_profile = pytest.mark.parametrize("profile", LoadProfile)


def drawn(profile: LoadProfile, seed: int = 7) -> list[float]:
    return send_times(profile, 100.0, 50.0, Random(seed).random)


@every_profile
def test_there_are_exactly_as_many_moments_as_the_rate_asks_for_and_in_order(profile: LoadProfile) -> None:
    times = drawn(profile)
    assert len(times) == 5_000
    assert times == sorted(times)
    assert 0.0 <= times[0] <= times[-1] <= 50.0


@every_profile
def test_the_same_seed_gives_the_same_moments(profile: LoadProfile) -> None:
    assert drawn(profile) == drawn(profile)
    assert profile is LoadProfile.CONSTANT or drawn(profile) != drawn(profile, seed=8)


def count(times: list[float], begin: float, end: float) -> int:
    return sum(begin <= at < end for at in times)


def test_a_constant_rate_has_equal_gaps() -> None:
    times = drawn(LoadProfile.CONSTANT)
    assert {round(late - early, 9) for early, late in pairwise(times)} == {0.01}


def test_the_gaps_of_poisson_are_exponential() -> None:
    times = drawn(LoadProfile.POISSON)
    gaps = [late - early for early, late in pairwise(times)]
    assert sum(gap > 0.01 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)


def test_bursts_come_in_a_fifth_of_the_time_at_five_times_the_rate() -> None:
    times = drawn(LoadProfile.BURST)
    assert count(times, 0.0, 2.0) == pytest.approx(1_000, rel=0.1)
    assert count(times, 2.0001, 9.999) == 0


def test_a_ramp_rises_from_nothing_to_twice_the_rate() -> None:
    times = drawn(LoadProfile.RAMP)
    assert count(times, 0.0, 25.0) == pytest.approx(1_250, rel=0.1)
    assert count(times, 45.0, 50.0) == pytest.approx(950, rel=0.1)


def test_a_day_is_quiet_at_its_ends_and_busy_at_noon() -> None:
    times = drawn(LoadProfile.DIURNAL)
    assert count(times, 0.0, 2.5) == pytest.approx(52, rel=0.4)
    assert count(times, 23.75, 26.25) == pytest.approx(449, rel=0.1)


def test_a_run_has_10_to_60_slices() -> None:
    assert [slices_of(seconds) for seconds in (1.0, 30.0, 7_200.0)] == [10, 30, 60]

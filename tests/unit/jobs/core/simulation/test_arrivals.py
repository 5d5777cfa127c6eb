"""Simulated arrivals have the requested rate and mix."""

from __future__ import annotations

import random
from itertools import pairwise
from statistics import fmean, pstdev

import pytest

from jobs.core.simulation.arrivals import Mix, bursts, poisson


def test_poisson_arrivals_keep_their_rate_and_their_gaps_spread_as_much_as_their_mean() -> None:
    arrivals = list(poisson(50.0, random.Random(1).random, count=20_000))
    gaps_s = [after.at_s - before.at_s for before, after in pairwise(arrivals)]
    assert fmean(gaps_s) == pytest.approx(0.02, rel=0.02)
    assert pstdev(gaps_s) == pytest.approx(0.02, rel=0.03)


def test_poisson_arrivals_end_with_their_time() -> None:
    arrivals = list(poisson(50.0, random.Random(1).random, until_s=10.0))
    assert 400 < len(arrivals) < 600
    assert arrivals[-1].at_s < 10.0


def test_bursts_come_together() -> None:
    arrivals = list(bursts(3, 2.0, random.Random(1).random, until_s=6.0))
    assert [arrival.at_s for arrival in arrivals] == [0.0] * 3 + [2.0] * 3 + [4.0] * 3


def test_a_mix_draws_evenly_from_all_it_names() -> None:
    mix = Mix(sizes=(5, 7), priorities=(0, 9), clients=2, deadline_in_s=1.5)
    arrivals = list(poisson(1.0, random.Random(1).random, mix=mix, count=3_000))
    for choices in (
        [arrival.size for arrival in arrivals],
        [arrival.priority for arrival in arrivals],
        [arrival.client for arrival in arrivals],
    ):
        shares = {choice: choices.count(choice) / len(choices) for choice in choices}
        assert shares.values() == pytest.approx([1 / len(shares)] * len(shares), abs=0.05)
    assert {arrival.size for arrival in arrivals} == {5, 6, 7}
    assert {arrival.priority for arrival in arrivals} == {0, 9}
    assert {arrival.deadline_in_s for arrival in arrivals} == {1.5}


def test_two_arrivals_alike_are_two() -> None:
    one, other = bursts(2, 1.0, random.Random(1).random, until_s=1.0)
    assert len({one, other}) == 2

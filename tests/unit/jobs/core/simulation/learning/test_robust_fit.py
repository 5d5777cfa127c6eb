"""A line and a spread come back from observations, whatever a few stalls among them say."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from jobs.core.simulation.learning.robust_fit import Observation, fit
from jobs.core.simulation.plan import Timing


def made(timing: Timing, count: int, *, seed: int = 1) -> list[Observation]:
    chance = random.Random(seed)
    sizes = [chance.randint(1, 32) for _ in range(count)]
    return [Observation(size, timing.seconds(size, chance.random)) for size in sizes]


def test_a_line_comes_back_from_runs_that_vary() -> None:
    learned = fit(made(Timing(0.04, 0.002, jitter=0.1), 600))
    assert (learned.base_s, learned.per_unit_s) == pytest.approx((0.04, 0.002), rel=0.05)


def test_a_few_stalls_move_neither_the_line_nor_its_mean() -> None:
    runs = made(Timing(0.04, 0.002, jitter=0.1), 600)
    stalled = [o._replace(seconds=20.0) if number % 100 == 0 else o for number, o in enumerate(runs)]
    learned = fit(stalled)
    assert learned.mean_s(16) == pytest.approx(0.072, rel=0.07)
    assert learned.per_unit_s == pytest.approx(0.002, rel=0.1)


def test_a_heavy_tail_is_learned_as_it_is() -> None:
    chance = random.Random(2)
    seconds = [0.05 if chance.random() > 0.1 else 0.15 for _ in range(4_000)]
    learned = fit([Observation(1, s) for s in seconds])
    drawn = sorted(learned.seconds(1, chance.random) for _ in range(4_000))
    assert drawn[2_000] == pytest.approx(0.05, rel=0.05)
    assert drawn[3_800] == pytest.approx(0.15, rel=0.05)
    assert fmean(drawn) == pytest.approx(fmean(seconds), rel=0.04)


def test_newer_runs_count_more_than_older_ones() -> None:
    old = [Observation(size, 0.1, 0.05) for size in range(1, 33)]
    new = [Observation(size, 0.05, 1.0) for size in range(1, 33)]
    assert fit([*old, *new]).mean_s(16) == pytest.approx(0.05, rel=0.1)


def test_a_time_that_grows_in_steps_is_learned_by_size() -> None:
    runs = [Observation(size, 0.01 if size < 16 else 0.05) for size in range(1, 33) for _ in range(20)]
    learned, line = fit(runs, steps=True), fit(runs)
    assert learned.mean_s(12) == pytest.approx(0.01, rel=0.35)
    assert learned.mean_s(20) == pytest.approx(0.05, rel=0.2)
    assert abs(line.mean_s(12) - 0.01) > abs(learned.mean_s(12) - 0.01)


def test_where_nothing_was_seen_nothing_takes_time() -> None:
    assert fit([]) == Timing()

"""Comparisons of runs whose distributions are known."""

from __future__ import annotations

from math import log
from random import Random

import pytest

from jobs.core.loadtest.load_comparison import ComparedFigure, compared, overall
from tests.unit.jobs.core.loadtest.reports import made_up


def exponential(mean_s: float, seed: int, lost: int = 0) -> object:
    return made_up(lambda rng: rng.expovariate(1 / mean_s), seed=seed, lost=lost)


def figures(a: object, b: object) -> dict[str, ComparedFigure]:
    return {figure.name: figure for figure in compared(a, b, Random(1).random)}  # type: ignore[arg-type]


def words(a: object, b: object) -> dict[str, str]:
    return {name: figure.word for name, figure in figures(a, b).items()}


def test_the_percentiles_of_an_exponential_distribution_lie_in_their_intervals() -> None:
    seen = figures(exponential(0.1, 1), exponential(0.1, 2))
    for name, share in (("p50 ms", 0.5), ("p95 ms", 0.95), ("p99 ms", 0.99)):
        low, high = seen[name].a_interval
        assert 0.97 * low <= -100.0 * log(1 - share) <= 1.03 * high
        assert low <= seen[name].a <= high


def test_runs_of_the_same_distribution_are_the_same() -> None:
    """One pair of figures in some forty may differ by chance."""
    seen = [
        word
        for seed in range(4)
        for word in words(exponential(0.1, seed), exponential(0.1, 90 + seed)).values()
    ]
    assert len(seen) == 20
    assert seen.count("same") >= 18


def test_slower_is_worse_and_faster_is_better() -> None:
    slower, faster = (
        words(exponential(0.1, 1), exponential(0.13, 2)),
        words(exponential(0.1, 1), exponential(0.07, 2)),
    )
    assert [slower[name] for name in ("p50 ms", "p95 ms", "p99 ms", "jobs/s")] == ["worse"] * 3 + ["same"]
    assert [faster[name] for name in ("p50 ms", "p95 ms", "p99 ms", "jobs/s")] == ["better"] * 3 + ["same"]


def test_jobs_that_are_lost_are_errors_and_throughput_that_is_missing() -> None:
    seen = words(exponential(0.1, 1), exponential(0.1, 2, lost=5))
    assert (seen["errors %"], seen["jobs/s"]) == ("worse", "worse")
    back = figures(exponential(0.1, 2, lost=5), exponential(0.1, 1))
    assert (back["errors %"].word, back["jobs/s"].word) == ("better", "better")
    assert back["errors %"].a == pytest.approx(5.0)
    assert overall(list(back.values())) in {"better", "worse"}


def test_a_difference_too_small_to_matter_is_none() -> None:
    assert set(words(made_up(lambda _: 0.1, seed=1), made_up(lambda _: 0.101, seed=1)).values()) == {"same"}


def test_runs_in_which_nothing_succeeded_can_be_compared() -> None:
    nothing = exponential(0.1, 1, lost=100)
    assert set(words(nothing, nothing).values()) == {"same"}

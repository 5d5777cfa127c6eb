"""Random counts and times from a sequence of uniform numbers, which the caller provides."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, exp, log, log1p, pi, sqrt

Chance = Callable[[], float]  # the next of a sequence of uniform numbers in [0, 1)
_MANY = 50.0  # of a variance: from here on a normal number is near enough


def poisson_count(chance: Chance, mean: float) -> int:
    """Return how many jobs arrive, `mean` on average."""
    if mean > _MANY:
        return max(0, round(mean + sqrt(mean) * normal(chance)))
    bound, count, product = exp(-mean), 0, chance()
    while product > bound:
        count += 1
        product *= chance()
    return count


def binomial_count(chance: Chance, trials: int, part: float) -> int:
    """Return how many of the trials hit, each with a chance of `part`: exact, in steps of one hit each."""
    if part <= 0.0 or not trials:
        return 0
    if part > 0.5:  # noqa: PLR2004  # fewer misses than hits
        return trials - binomial_count(chance, trials, 1.0 - part)
    miss, at, hits = log1p(-part), -1, 0
    while True:
        at += 1 + int(log(1.0 - chance()) / miss)
        if at >= trials:
            return hits
        hits += 1


def split_count(chance: Chance, trials: int, part: float) -> int:
    """Return how many of the jobs fall to a part of the buckets: of many, a rounded normal number."""
    scatter = trials * part * (1.0 - part)
    if scatter < _MANY:
        return binomial_count(chance, trials, part)
    return min(trials, max(0, round(trials * part + sqrt(scatter) * normal(chance))))


def normal(chance: Chance) -> float:
    """Return a standard normal number."""
    return sqrt(-2.0 * log(1.0 - chance())) * cos(2.0 * pi * chance())

"""The difference of two arms' means, with an interval that holds at every look at once.

An asymptotic confidence sequence: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central
limit theory and asymptotic confidence sequences", 2021, theorem 2.2. A person may look at it after each job,
and stop when it suits; an interval of one look is wrong in a third of such experiments.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, sqrt

ALPHA = 0.05
TIGHTEST_AT = 2_000  # values of both arms at which the interval is as narrow as it can be
LEAST_VALUES = 20  # of an arm: before, the interval is all numbers
SHARED_VALUES = 50  # each arm counts as having so many more, as both have: rare ones it saw none of


@dataclass(frozen=True, slots=True)
class Moments:
    """How many values there were, their sum, and the sum of their squares about the mean."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def with_value(self, value: float) -> Moments:
        """Return these moments with one value more (Welford)."""
        n = self.n + 1
        off = value - self.mean
        mean = self.mean + off / n
        return Moments(n, mean, self.squares + off * (value - mean))

    def joined(self, other: Moments) -> Moments:
        """Return the moments of both sets of values (Chan, Golub and LeVeque)."""
        n = self.n + other.n
        if not n:
            return self
        off = other.mean - self.mean
        mean = self.mean + off * other.n / n
        return Moments(n, mean, self.squares + other.squares + off * off * self.n * other.n / n)

    @property
    def variance(self) -> float:
        """Return the variance of a value; 0 of fewer than two."""
        return self.squares / (self.n - 1) if self.n > 1 else 0.0


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """The candidate's mean less the other's, and the bounds within which it lies at every look."""

    difference: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Return whether the interval leaves 0 out."""
        return self.low > 0.0 or self.high < 0.0


def mean_difference(one: Moments, other: Moments, alpha: float = ALPHA) -> MeanDifference | None:
    """Return the difference `one - other` with its interval; None where an arm has no value.

    With fewer than twenty values in an arm the interval is all numbers.
    """
    if not one.n or not other.n:
        return None
    difference = one.mean - other.mean
    if min(one.n, other.n) < LEAST_VALUES:
        return MeanDifference(difference, -inf, inf)
    n = one.n + other.n
    shared = one.joined(other).variance
    deviation = sqrt(n * sum(_variance(arm, shared) / arm.n for arm in (one, other)))  # of n equal values
    half = deviation * _width(n, alpha)
    return MeanDifference(difference, difference - half, difference + half)


def _variance(arm: Moments, shared: float) -> float:
    """Return an arm's variance, or that of both where it is larger.

    A small arm that saw too few of the rare values has a mean and a variance that are both too small, so its
    own variance is smallest where its mean is furthest off.
    """
    own = (arm.squares + SHARED_VALUES * shared) / (arm.n + SHARED_VALUES - 1)
    return max(own, shared)


def _width(n: int, alpha: float) -> float:
    """Return half of the interval in deviations after `n` values; see equations 5 and 24 there."""
    rho2 = (-2.0 * log(alpha) + log(1.0 - 2.0 * log(alpha))) / TIGHTEST_AT
    grown = n * rho2 + 1.0
    return sqrt(2.0 * grown / (n * n * rho2) * log(sqrt(grown) / alpha))

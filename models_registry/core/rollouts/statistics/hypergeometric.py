"""The exact e-value of one stratum: what failed on which side, given how many were seen on both.

Under "no worse", every `failed` of `ours + theirs` units is as likely as every other to be ours, whatever
the rate of failures was in the stratum (Turner & Grünwald 2023). So `ratio ** a / E[ratio ** K]` has a mean
of at most 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, lgamma, log, log1p
from typing import NamedTuple

_NEGLIGIBLE = (
    1e-15  # a term this small beside the sum is where the sum ends; the rest is bounded, not dropped
)


class Stratum(NamedTuple):
    """Units seen on our side and on the other, and how many of each failed."""

    ours: int
    theirs: int
    failed_ours: int
    failed_theirs: int

    @property
    def failed(self) -> int:
        """Return how many failed on both sides."""
        return self.failed_ours + self.failed_theirs

    @property
    def tells(self) -> bool:
        """Return whether it can speak for or against either side."""
        return self.ours > 0 and self.theirs > 0

    @property
    def weight(self) -> float:
        """Return the weight of the stratum in a difference of rates (Mantel-Haenszel)."""
        return self.ours * self.theirs / (self.ours + self.theirs)

    @property
    def excess(self) -> float:
        """Return the difference of both rates times the weight."""
        ours, theirs = self.failed_ours * self.theirs, self.failed_theirs * self.ours
        return (ours - theirs) / (self.ours + self.theirs)


def log_e_values(stratum: Stratum, ratios: Sequence[float]) -> list[float]:
    """Return the log of the e-value for each odds ratio; all 0 where one side is empty or none failed."""
    if not stratum.tells or not stratum.failed:
        return [0.0] * len(ratios)
    return [stratum.failed_ours * log(ratio) - log_mean_power(stratum, ratio) for ratio in ratios]


def log_mean_power(stratum: Stratum, ratio: float) -> float:
    """Return at least `log E[ratio ** K]`, K hypergeometric: how many of the failed ones are ours by chance.

    Terms are summed from the largest outwards, some 10 standard deviations of them. What lies beyond is
    replaced by the geometric series that bounds it, so that the e-value errs towards "no worse", by a part
    in 10^15.
    """
    ours, total, failed = stratum.ours, stratum.ours + stratum.theirs, stratum.failed
    if failed == 1:
        return log1p(ours / total * (ratio - 1.0))
    mode = _mode(stratum, ratio)
    series = 1.0 + _above(stratum, ratio, mode) + _below(stratum, ratio, mode)
    return _log_chance(stratum, mode) + mode * log(ratio) + log(series)


def _step(stratum: Stratum, ratio: float, k: int) -> float:
    """Return the term of k + 1 over that of k; infinite where that of k is 0, as it decreases in k."""
    over = (k + 1) * (stratum.theirs - stratum.failed + k + 1)
    return ratio * (stratum.failed - k) * (stratum.ours - k) / over if over > 0 else inf


def _mode(stratum: Stratum, ratio: float) -> int:
    low = max(0, stratum.failed - stratum.theirs)
    high = min(stratum.failed, stratum.ours)
    while low < high:
        middle = (low + high) // 2
        if _step(stratum, ratio, middle) > 1.0:
            low = middle + 1
        else:
            high = middle
    return low


def _above(stratum: Stratum, ratio: float, mode: int) -> float:
    term, total = 1.0, 0.0
    failed, ours, base = stratum.failed, stratum.ours, stratum.theirs - stratum.failed
    for k in range(mode, min(failed, ours)):
        step = ratio * (failed - k) * (ours - k) / ((k + 1) * (base + k + 1))
        term *= step
        total += term
        if term < _NEGLIGIBLE and step < 1.0:
            return total + term * step / (1.0 - step)
    return total


def _below(stratum: Stratum, ratio: float, mode: int) -> float:
    term, total = 1.0, 0.0
    failed, ours, base = stratum.failed, stratum.ours, stratum.theirs - stratum.failed
    for k in range(mode, max(0, -base), -1):
        step = k * (base + k) / (ratio * (failed - k + 1) * (ours - k + 1))
        term *= step
        total += term
        if term < _NEGLIGIBLE and step < 1.0:
            return total + term * step / (1.0 - step)
    return total


def _log_chance(stratum: Stratum, k: int) -> float:
    ours, theirs, failed = stratum.ours, stratum.theirs, stratum.failed
    return _log_choose(ours, k) + _log_choose(theirs, failed - k) - _log_choose(ours + theirs, failed)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

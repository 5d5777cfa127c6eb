"""How much must be seen until one that is a point worse has been found, 90 % sure."""

from __future__ import annotations

from math import ceil, inf, log, log1p, sqrt

from models_registry.core.rollouts.statistics.paired_tests import COINS
from models_registry.core.rollouts.statistics.rate_test import LEAST_RATE, MARGIN

_Z = 1.28  # 90 %
_RESERVE = 1.3  # the rate is estimated, and the adaptive ratio is learned on the way


def keys_needed(rate: float, part: float, alpha: float) -> float:
    """Return the candidate's keys after which one that is a point worse is rolled back with a chance of 90 %.

    `rate` is the stable version's, `part` the candidate's part of the keys; infinite where one side is
    missing.
    """
    if not 0.0 < part < 1.0:
        return inf
    rate = max(rate, LEAST_RATE)
    worse, ratio = rate + MARGIN, (rate + MARGIN) / rate
    gain = worse * log(ratio) - (worse + rate * (1 - part) / part) * log1p(part * (ratio - 1))
    return _RESERVE * _crossing(gain, sqrt(worse) * log(ratio), log(2 / alpha))


def pairs_needed(differing: float, alpha: float) -> int:
    """Return the pairs after which one that is a point worse is found with a chance of 90 %.

    `differing` is the part of pairs of which the stable version alone failed: the noise of independent
    failures.
    """
    up, down = differing + MARGIN, differing
    coin = min(up / (up + down), COINS[-1])
    ours, theirs = log(2 * coin), log(2 * (1 - coin))
    gain = up * ours + down * theirs
    return ceil(_crossing(gain, sqrt(up * ours**2 + down * theirs**2), log(len(COINS) / alpha)))


def _crossing(gain: float, scatter: float, level: float) -> float:
    """Return the steps after which a walk of this gain and scatter a step is above `level`, 90 % sure."""
    if gain <= 0.0:
        return inf
    return ((_Z * scatter + sqrt((_Z * scatter) ** 2 + 4 * gain * level)) / (2 * gain)) ** 2

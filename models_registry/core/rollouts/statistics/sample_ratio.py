"""Whether the arms of an experiment got the shares that they were to get: if not, nothing it says is true."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, gamma, sqrt

INVALID_P = 0.001
LEAST_EXPECTED = 5.0  # of an arm: the approximation needs as many


def sample_ratio_p(counts: Sequence[int], shares: Sequence[float]) -> float | None:
    """Return how likely such counts or odder ones are by chance; None while too few are expected of an arm.

    Pearson's chi-square test. Arms with a share of 0 are left out, but a job there makes it impossible: 0.
    """
    arms, per_share = list(zip(counts, shares, strict=True)), sum(counts) / sum(shares)
    if any(count for count, share in arms if not share):
        return 0.0
    pairs = [(count, share * per_share) for count, share in arms if share]
    if len(pairs) == 1 or min(expected for _, expected in pairs) < LEAST_EXPECTED:
        return None
    statistic = sum((count - expected) ** 2 / expected for count, expected in pairs)
    return chi_square_tail(statistic, len(pairs) - 1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Return the chance that a chi-square variable of `freedom` degrees, at least 1, exceeds a number."""
    half = statistic / 2.0
    if freedom % 2:
        start, terms = erfc(sqrt(half)), (number + 0.5 for number in range(freedom // 2))
    else:
        start, terms = 0.0, (float(number) for number in range(freedom // 2))
    total: float = sum(half**power / gamma(power + 1.0) for power in terms)
    return start + exp(-half) * total

"""Whether the arms of an experiment got the shares that they were to get: if not, nothing it says is true."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, gamma, sqrt

INVALID_P = 0.001
LEAST_EXPECTED = 5.0  # the approximation needs as many


def sample_ratio_p(counts: Sequence[int], shares: Sequence[float]) -> float | None:
    """Return how likely such counts or odder ones are by chance; None while too few are expected.

    Pearson's chi-square test. Arms of which fewer than five are expected count together with the next larger
    one, so that a tiny arm does not hide what the others got. Arms with a share of 0 are left out, but a job
    there makes it impossible: 0.
    """
    arms, per_share = list(zip(counts, shares, strict=True)), sum(counts) / sum(shares)
    if any(count for count, share in arms if not share):
        return 0.0
    cells = _cells([(count, share * per_share) for count, share in arms if share])
    if len(cells) == 1:
        return None
    statistic = sum((count - expected) ** 2 / expected for count, expected in cells)
    return chi_square_tail(statistic, len(cells) - 1)


def _cells(arms: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return counts with what is expected, joined from the smallest share on until each expects enough.

    Only what is expected decides what is joined, never a count: else chance would choose the test.
    """
    cells = list[tuple[int, float]]()
    for arm in sorted(arms, key=lambda arm: arm[1]):
        if cells and cells[-1][1] < LEAST_EXPECTED:
            cells[-1] = _joined(cells[-1], arm)
        else:
            cells.append(arm)
    if len(cells) > 1 and cells[-1][1] < LEAST_EXPECTED:
        cells[-2:] = [_joined(cells[-2], cells[-1])]
    return cells


def _joined(one: tuple[int, float], other: tuple[int, float]) -> tuple[int, float]:
    return one[0] + other[0], one[1] + other[1]


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Return the chance that a chi-square variable of `freedom` degrees, at least 1, exceeds a number."""
    half = statistic / 2.0
    if freedom % 2:
        start, terms = erfc(sqrt(half)), (number + 0.5 for number in range(freedom // 2))
    else:
        start, terms = 0.0, (float(number) for number in range(freedom // 2))
    total: float = sum(half**power / gamma(power + 1.0) for power in terms)
    return start + exp(-half) * total

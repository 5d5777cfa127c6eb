"""The interval of a rate, for people: it holds for one look. The tests, which act, hold at every look."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959964


def rate_interval(failed: float, seen: int, z: float = Z_95) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a rate, from 0 to 1; all of it where nothing was seen."""
    if not seen:
        return 0.0, 1.0
    rate, z2 = failed / seen, z * z
    middle = (rate + z2 / (2 * seen)) / (1 + z2 / seen)
    half = z * sqrt(rate * (1 - rate) / seen + z2 / (4 * seen * seen)) / (1 + z2 / seen)
    return max(0.0, middle - half), min(1.0, middle + half)

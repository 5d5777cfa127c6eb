"""Fits a timing to weighted observations: outliers count little for its line, and make up its tail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from jobs.core.simulation.plan import Timing

KNOTS = 41  # quantiles of a spread: one each 2.5 %
LEAST = 8  # observations, below which a spread says nothing
MOST_OFF = 6.0  # a longer step was a stall and counts as so many times the expected one
_EDGE = 0.005  # the ends of a spread are these quantiles: the single longest step is no law
_ROUNDS = 12
_TOLERANCE = 1.345  # Huber's, in deviations: 95 % as efficient as least squares where nothing is an outlier
_MAD_TO_DEVIATION = 1.4826
_SIZE_WEIGHT = 4.0  # observations of a size, against which the line's own prediction counts
_SIZE_LEAST = 5


class Observation(NamedTuple):
    """The seconds of one step over `units`, and how much it counts."""

    units: float
    seconds: float
    weight: float = 1.0


def fit(observations: Sequence[Observation], *, steps: bool = False) -> Timing:
    """Return the timing of steps like these, with their spread; `steps` also learns a factor by size.

    Without observations every step takes no time.
    """
    if not observations:
        return Timing()
    base_s, per_unit_s = _line(observations)
    by_size = _by_size(observations, Timing(base_s, per_unit_s)) if steps else ()
    line = Timing(base_s, per_unit_s, by_size=by_size)
    mean, spread = spread_of([(o.seconds / (line.mean_s(o.units) or 1.0), o.weight) for o in observations])
    return Timing(base_s * mean, per_unit_s * mean, spread=spread, by_size=by_size)


def spread_of(factors: Sequence[tuple[float, float]]) -> tuple[float, tuple[float, ...]]:
    """Return the mean of weighted factors, and their quantiles over that mean; stalls are cut."""
    ordered = sorted((min(factor, MOST_OFF), weight) for factor, weight in factors)
    total = sum(weight for _, weight in ordered)
    mean = sum(factor * weight for factor, weight in ordered) / total if total else 0.0
    if len(ordered) < LEAST or mean <= 0.0:
        return mean or 1.0, ()
    shares = [min(max(number / (KNOTS - 1), _EDGE), 1.0 - _EDGE) for number in range(KNOTS)]
    knots = quantiles(ordered, shares)
    # Straight lines between the knots have a mean of their own, which is to be 1.
    drawn = sum(low + high for low, high in pairwise(knots)) / (2.0 * (KNOTS - 1))
    return mean, tuple(knot / drawn for knot in knots)


def median(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the weighted median of values; 0 of none."""
    return quantiles(sorted(pairs), [0.5])[0] if pairs else 0.0


def quantiles(ordered: Sequence[tuple[float, float]], shares: Sequence[float]) -> list[float]:
    """Return the values below which these shares of the weight lie; `ordered` by value, `shares` growing."""
    total, passed, number = sum(weight for _, weight in ordered), 0.0, 0
    found = list[float]()
    for share in shares:
        while number < len(ordered) - 1 and passed + ordered[number][1] < share * total:
            passed += ordered[number][1]
            number += 1
        found.append(ordered[number][0])
    return found


def _line(observations: Sequence[Observation]) -> tuple[float, float]:
    """Return intercept and slope, neither negative, by least squares with Huber's weights."""
    weights = [o.weight for o in observations]
    centre = median([(o.seconds, o.weight) for o in observations])
    # What is far from the middle at first may be a large batch and no outlier: so the first line takes all.
    cuts = [_cut(o.seconds, centre) for o in observations]
    line = _least_squares(observations, [w * cut for w, cut in zip(weights, cuts, strict=True)])
    for _ in range(_ROUNDS):
        off_s = [o.seconds - line[0] - line[1] * o.units for o in observations]
        scale_s = _MAD_TO_DEVIATION * median([(abs(off), w) for off, w in zip(off_s, weights, strict=True)])
        if scale_s <= 0.0:
            break
        bound_s = _TOLERANCE * scale_s
        line = _least_squares(
            observations,
            [w * min(1.0, bound_s / abs(off)) if off else w for w, off in zip(weights, off_s, strict=True)],
        )
    return line


def _cut(seconds: float, centre: float) -> float:
    return min(1.0, MOST_OFF * centre / seconds) if seconds > 0.0 else 1.0


def _least_squares(observations: Sequence[Observation], weights: Sequence[float]) -> tuple[float, float]:
    total = sum(weights) or 1.0
    pairs = list(zip(observations, weights, strict=True))
    mean_x = sum(w * o.units for o, w in pairs) / total
    mean_y = sum(w * o.seconds for o, w in pairs) / total
    variance = sum(w * (o.units - mean_x) ** 2 for o, w in pairs)
    if variance <= 1e-9 * total * max(1.0, mean_x * mean_x):
        # All sizes are equal: nothing says how the time grows, and half of it is the policy's guess too.
        return (0.5 * mean_y, 0.5 * mean_y / mean_x) if mean_x else (mean_y, 0.0)
    slope = sum(w * (o.units - mean_x) * (o.seconds - mean_y) for o, w in pairs) / variance
    slope = min(max(slope, 0.0), mean_y / mean_x if mean_x else 0.0)
    return mean_y - slope * mean_x, slope


def _by_size(observations: Sequence[Observation], line: Timing) -> tuple[float, ...]:
    """Return factors by power of two; a size that was hardly seen has that of the next smaller one."""
    seen = defaultdict[int, list[tuple[float, float]]](list)
    for o in observations:
        expected_s = line.mean_s(o.units)
        if expected_s > 0.0:
            seen[int(o.units).bit_length()].append((o.seconds / expected_s, o.weight))
    factors, last = list[float](), 1.0
    for bucket in range(max(seen, default=-1) + 1):
        pairs = seen.get(bucket, [])
        if len(pairs) >= _SIZE_LEAST:
            count = len(pairs)
            last = (count * median(pairs) + _SIZE_WEIGHT) / (count + _SIZE_WEIGHT)
        factors.append(last)
    return tuple(factors)

"""Two distributions compared: how far they are apart, and whether chance could have made that.

Each of both measures alarms by itself where nothing is wrong. A significance test finds any difference once
there are enough values; an index of stability is large for eight values of the very same distribution. So an
alarm needs a shift that matters and that chance does not explain, in two hours one after the other.

Chance is reckoned for values that know nothing of each other. Those of real hours do: jobs come in runs of
one client, and nights are not like days. What the reference's own hours differ from the whole of it
is no drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log, sqrt

PSI_ALARM = 0.2  # "a major shift" in the practice of credit scoring, from where the index comes
ALPHA = 1e-4  # for each field and hour: a month has 720 hours, a version some 20 fields
HOURS = 2
LEAST_OWN = 100  # jobs of an hour; what fewer are away is mostly chance
OWN_HOURS = 1.5  # so much farther away than any hour of the reference itself
_UNSEEN = 0.5  # jobs that a bin without any counts as having


@dataclass(frozen=True, slots=True)
class Spread:
    """How many values there were, and the share of them at or below each of some points, which grow.

    `rank_error` is by how much a share may be wrong, because a sketch knows it and not the values. Of a
    reference, `own_distance` is the largest distance of one of its hours from the whole.
    """

    n: int
    shares: Sequence[float]
    rank_error: float = 0.0
    own_distance: float = 0.0


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """How far one hour is from the reference: index, greatest distance, and what chance explains of it."""

    psi: float
    distance: float
    bound: float

    @property
    def alarms(self) -> bool:
        """Return whether this hour is one of those that make an alarm."""
        return self.psi >= PSI_ALARM and self.distance > self.bound


def compare(reference: Spread, now: Spread) -> DriftFinding | None:
    """Compare two spreads over the same points; None where one of them has no value."""
    if not reference.n or not now.n:
        return None
    bound = max(chance_distance(reference, now), OWN_HOURS * reference.own_distance)
    return DriftFinding(population_stability(reference, now), _distance(reference, now), bound)


def own_distance(whole: Spread, hours: Sequence[Spread]) -> float:
    """Return the largest distance of an hour from the whole, of those hours that are not small samples."""
    large = [hour for hour in hours if hour.n >= LEAST_OWN]
    return max((_distance(whole, hour) for hour in large), default=0.0)


def _distance(reference: Spread, now: Spread) -> float:
    return max((abs(a - b) for a, b in zip(reference.shares, now.shares, strict=True)), default=0.0)


def population_stability(reference: Spread, now: Spread) -> float:
    """Return the population stability index, the sum of (b - a) ln(b / a) over bins between points.

    A bin that both leave empty says nothing of either, and counts for none.
    """
    counts = zip(_counts(reference), _counts(now), strict=True)
    seen = [pair for pair in counts if max(pair) >= _UNSEEN]
    before, after = (_shares(part) for part in zip(*seen, strict=True))
    return sum((b - a) * log(b / a) for a, b in zip(before, after, strict=True))


def chance_distance(reference: Spread, now: Spread, alpha: float = ALPHA) -> float:
    """Return the distance that two samples of one distribution exceed with a chance of `alpha` at most.

    By the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant, for each of both samples,
    and what both sketches may be wrong by.
    """
    sampled = sum(sqrt(log(4.0 / alpha) / (2.0 * spread.n)) for spread in (reference, now))
    return sampled + reference.rank_error + now.rank_error


def is_drift(hours: Sequence[DriftFinding | None]) -> bool:
    """Return whether the last hours, the newest one at the end, are an alarm."""
    last = hours[-HOURS:]
    return len(last) == HOURS and all(hour is not None and hour.alarms for hour in last)


def _counts(spread: Spread) -> list[float]:
    """Return the values of each bin, also of those at or below the first point and above the last."""
    edges = [0.0, *spread.shares, 1.0]
    return [(high - low) * spread.n for low, high in pairwise(edges)]


def _shares(counts: Sequence[float]) -> list[float]:
    filled = [max(count, _UNSEEN) for count in counts]
    return [count / sum(filled) for count in filled]

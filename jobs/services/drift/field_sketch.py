"""One field's values as a sketch: a KLL sketch of numbers, or labels by count.

The library draws its own chance to thin out a sketch, so this does not stand among the pure parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.core.drift.counted_labels import (
    add_label,
    compared_labels,
    decoded,
    encoded,
    label_spread,
    merged,
    shown,
)
from jobs.core.drift.drift_alarm import DriftFinding, Spread, compare, own_distance
from jobs.core.drift.field_names import LABEL, MISSING, Value, rounded

K = 200  # a share is wrong by 1.3 % at most, in 99 of 100 sketches; some 2 kB
DECILES = tuple(number / 10 for number in range(1, 10))
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHARED = 0.05  # of the values are equal: then values just below count apart from them


class FieldSketch:
    """The values of one field, and how many jobs had none."""

    def __init__(self, field: str) -> None:
        """Begin without a value; the field decides whether labels are counted or numbers sketched."""
        self.field, self.missing = field, 0
        self.own_distance = 0.0  # of a reference: see Spread
        self._labels: Counter[str] | None = Counter() if _has_labels(field) else None
        self._numbers = _new()

    @property
    def n(self) -> int:
        """Return how many values there are."""
        return int(self._numbers.n) if self._labels is None else self._labels.total()

    def add(self, value: Value) -> None:
        """Add the value of one job; None where it has none."""
        if self._labels is not None and isinstance(value, str):
            add_label(self._labels, value)
        elif self._labels is None and isinstance(value, float):
            self._numbers.update(value)
        else:
            self.missing += 1

    def add_numbers(self, numbers: Any) -> None:
        """Add many numbers at once, as an array of 32-bit floats."""
        self._numbers.update(numbers)

    def body(self) -> bytes:
        """Return the values as they are stored."""
        return encoded(self._labels) if self._labels is not None else bytes(self._numbers.serialize())

    def merge(self, body: bytes, missing: int) -> None:
        """Add a stored sketch; ValueError where it cannot be read."""
        if self._labels is not None:
            self._labels = merged([self._labels, decoded(body)])
        else:
            self._numbers.merge(_read(body))
        self.missing += missing

    def summary(self) -> dict[str, Any]:
        """Return quantiles, or labels by count, for people."""
        if self._labels is not None:
            return {"labels": shown(self._labels)}
        if not self.n:
            return {"quantiles": {}}
        values = self._numbers.get_quantiles(list(QUANTILES), True)
        pairs = zip(QUANTILES, values, strict=True)
        return {"quantiles": {f"{share:g}": rounded(float(value)) for share, value in pairs}}

    def compared_with(self, reference: FieldSketch) -> DriftFinding | None:
        """Return how far these values are from the reference; None where one of them has none."""
        if not self.n or not reference.n:
            return None
        return compare(*_spreads(reference, self))

    def spread(self, points: Sequence[float]) -> Spread:
        """Return the share of the numbers at or below each of the points, which grow."""
        if not self.n:
            return Spread(0, [0.0] * len(points))
        shares = self._numbers.get_cdf([*points], True)[: len(points)]
        error = self._numbers.normalized_rank_error(False) if self._numbers.is_estimation_mode() else 0.0
        return Spread(self.n, [float(share) for share in shares], float(error))

    def points(self) -> list[float]:
        """Return the different deciles of the numbers, and what is just below those that many jobs share.

        Without it a value would be one with all down to the next decile, and values that fall from it unseen.
        """
        deciles = sorted({float(value) for value in self._numbers.get_quantiles(list(DECILES), True)})
        upto, below = (self._numbers.get_cdf(deciles, inclusive)[:-1] for inclusive in (True, False))
        shared = [
            value
            for value, high, low in zip(deciles, upto, below, strict=True)
            if float(high) - float(low) >= SHARED
        ]
        return sorted({*deciles, *map(_just_below, shared)})

    def labels(self) -> Mapping[str, int]:
        """Return the counted labels."""
        return self._labels or {}


def own_distances(whole: Mapping[str, FieldSketch], hours: Iterable[Mapping[str, FieldSketch]]) -> None:
    """Note how far the hours that a reference is made of are from the whole of it."""
    parts = list(hours)
    for field, sketch in whole.items():
        pairs = [_spreads(sketch, hour[field]) for hour in parts if field in hour and hour[field].n]
        if pairs:
            sketch.own_distance = own_distance(pairs[0][0], [hour for _, hour in pairs])


def _spreads(reference: FieldSketch, now: FieldSketch) -> tuple[Spread, Spread]:
    if _has_labels(reference.field):
        names = compared_labels(reference.labels())
        whole, part = (label_spread(one.labels(), names) for one in (reference, now))
    else:
        points = reference.points()
        whole, part = reference.spread(points), now.spread(points)
    return replace(whole, own_distance=reference.own_distance), part


def _just_below(value: float) -> float:
    """Return the greatest number of a sketch, of 32 bits, that is less."""
    import numpy as np

    return float(np.nextafter(np.float32(value), np.float32(-np.inf)))


def _has_labels(field: str) -> bool:
    return field == LABEL or field.startswith(MISSING)


def _new() -> Any:
    import datasketches  # with numpy 30 MB, which a process that shows no drift need not have

    return datasketches.kll_floats_sketch(K)


def _read(body: bytes) -> Any:
    import datasketches

    try:
        return datasketches.kll_floats_sketch.deserialize(body)
    except (IndexError, RuntimeError) as error:  # of a body that was cut off
        raise ValueError(str(error)) from None

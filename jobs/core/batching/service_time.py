"""The time of a run by its padded size, learned online and slowly forgotten: t = a + b * padded_size.

A line alone is wrong where the time grows in steps, so each size bucket, a power of two, has a factor by
which its runs deviate from the line.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_KEEP = 0.97  # weight of the past at each observation, so some thirty runs count
_LEARN = 0.1
_MOST_OFF = 4.0  # a longer run is a stall and counts as this many times the expected one
_PRIOR_FIXED_S = 0.005
_PRIOR_PER_UNIT_S = 0.00005


@dataclass(slots=True)
class ServiceTime:
    """Least squares over (padded size, seconds) with exponential decay, corrected by size bucket."""

    weight: float = 0.0
    mean_x: float = 0.0
    mean_y: float = 0.0
    variance_x: float = 0.0
    covariance: float = 0.0
    off: dict[int, float] = field(default_factory=dict)

    def observe(self, padded_size: int, seconds: float) -> None:
        """Learn from one run."""
        self._observe_bucket(padded_size, seconds)
        self.weight = self.weight * _KEEP + 1.0
        fraction = 1.0 / self.weight
        dx, dy = padded_size - self.mean_x, seconds - self.mean_y
        self.mean_x += fraction * dx
        self.mean_y += fraction * dy
        self.variance_x = (1.0 - fraction) * (self.variance_x + fraction * dx * dx)
        self.covariance = (1.0 - fraction) * (self.covariance + fraction * dx * dy)

    @property
    def typical_s(self) -> float:
        """Return the mean time of recent runs; 0 before the first."""
        return self.mean_y

    @property
    def per_unit_s(self) -> float:
        """Return b, the seconds per unit of padded size, which is never negative."""
        if not self.weight:
            return _PRIOR_PER_UNIT_S
        if self.variance_x < 1e-9 * max(1.0, self.mean_x * self.mean_x):
            return 0.5 * self.mean_y / self.mean_x if self.mean_x else 0.0
        return min(max(self.covariance / self.variance_x, 0.0), self.mean_y / max(self.mean_x, 1e-9))

    @property
    def fixed_s(self) -> float:
        """Return a, the seconds of a run whatever its size, which is never negative."""
        if not self.weight:
            return _PRIOR_FIXED_S
        return max(self.mean_y - self.per_unit_s * self.mean_x, 0.0)

    def seconds(self, padded_size: float) -> float:
        """Return the predicted seconds of a run of `padded_size`."""
        return self._line(padded_size) * self.off.get(_bucket(padded_size), 1.0)

    def size_within(self, seconds: float) -> float:
        """Return about the largest padded size predicted to run within `seconds`; 0 for none."""
        per_unit_s = self.per_unit_s
        if not per_unit_s:
            return float("inf") if self.fixed_s <= seconds else 0.0
        size = max((seconds - self.fixed_s) / per_unit_s, 0.0)
        return max((seconds / self.off.get(_bucket(size), 1.0) - self.fixed_s) / per_unit_s, 0.0)

    def _line(self, padded_size: float) -> float:
        return self.fixed_s + self.per_unit_s * padded_size

    def _observe_bucket(self, padded_size: int, seconds: float) -> None:
        expected = self._line(padded_size)
        if not self.weight or expected <= 0.0:
            return
        bucket = _bucket(padded_size)
        factor = self.off.get(bucket, 1.0)
        self.off[bucket] = factor + _LEARN * (min(seconds / expected, _MOST_OFF) - factor)


def _bucket(padded_size: float) -> int:
    return int(padded_size).bit_length()

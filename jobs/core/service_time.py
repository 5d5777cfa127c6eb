"""What a run of a given padded size takes, learned online and slowly forgotten: t = a + b * padded_size."""

from __future__ import annotations

from dataclasses import dataclass

_KEEP = 0.97  # weight of the past at each observation: some thirty runs are remembered
_PRIOR_FIXED_S = 0.005
_PRIOR_PER_UNIT_S = 0.00005


@dataclass(slots=True)
class ServiceTime:
    """Exponentially forgetting least squares over (padded size, seconds)."""

    weight: float = 0.0
    mean_x: float = 0.0
    mean_y: float = 0.0
    variance_x: float = 0.0
    covariance: float = 0.0

    def observe(self, padded_size: int, seconds: float) -> None:
        """Learn one run."""
        self.weight = self.weight * _KEEP + 1.0
        share = 1.0 / self.weight
        dx, dy = padded_size - self.mean_x, seconds - self.mean_y
        self.mean_x += share * dx
        self.mean_y += share * dy
        self.variance_x = (1.0 - share) * (self.variance_x + share * dx * dx)
        self.covariance = (1.0 - share) * (self.covariance + share * dx * dy)

    @property
    def per_unit_s(self) -> float:
        """Return b, seconds per unit of padded size; never negative."""
        if not self.weight:
            return _PRIOR_PER_UNIT_S
        if self.variance_x < 1e-9 * max(1.0, self.mean_x * self.mean_x):
            return 0.5 * self.mean_y / self.mean_x if self.mean_x else 0.0
        return min(max(self.covariance / self.variance_x, 0.0), self.mean_y / max(self.mean_x, 1e-9))

    @property
    def fixed_s(self) -> float:
        """Return a, the seconds that a run takes whatever its size; never negative."""
        if not self.weight:
            return _PRIOR_FIXED_S
        return max(self.mean_y - self.per_unit_s * self.mean_x, 0.0)

    def seconds(self, padded_size: int) -> float:
        """Return the predicted seconds of a run of `padded_size`."""
        return self.fixed_s + self.per_unit_s * padded_size

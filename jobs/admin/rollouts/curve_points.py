"""The points of a roll-out's curves as the judge wrote them, thinned to what a picture can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from jobs.models import RolloutPoint
from models_registry.core.rollouts.statistics.rate_interval import rate_interval

MOST_READ = 20_000
MOST_DRAWN = 400
MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How a roll-out stood at a time; `act` is empty where only numbers changed."""

    key: int
    at: datetime
    act: str
    share_ppm: int
    met: int
    budget: int
    document: Mapping[str, Any]

    @classmethod
    def of(cls, row: RolloutPoint) -> Self:
        """Read a row; what it lacks counts as 0."""
        counts = {name: int(row.document.get(name) or 0) for name in ("share_ppm", "met", "budget")}
        return cls(row.pk, row.at, row.act, **counts, document=row.document)

    @property
    def numbers(self) -> Mapping[str, float]:
        """Return the judge's numbers by name."""
        numbers: Mapping[str, float] = self.document.get("numbers") or {}
        return numbers

    def rate(self, arm: str = "") -> ArmRate | None:
        """Return the failures of the candidate, or with `_stable` of the stable version; None before any."""
        judged = int(self.numbers.get(f"judged{arm}", 0))
        return ArmRate(int(self.numbers.get(f"failed{arm}", 0)), judged) if judged else None


@dataclass(frozen=True, slots=True)
class ArmRate:
    """How many keys of an arm failed, of those judged."""

    failed: int
    judged: int

    @property
    def rate(self) -> float:
        """Return the part that failed, 0 to 1."""
        return self.failed / self.judged

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the rate."""
        return rate_interval(self.failed, self.judged)


def points_of(rollout: int) -> list[CurvePoint]:
    """Return a roll-out's points, oldest first: all acts, and as many of the looks as can be drawn."""
    rows = list(RolloutPoint.objects.filter(rollout=rollout).order_by("-id")[:MOST_READ])[::-1]
    points = [CurvePoint.of(row) for row in rows]
    every = -(-len(points) // MOST_DRAWN) or 1
    return [point for at, point in enumerate(points) if point.act or not at % every or point is points[-1]]


def acts_of(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """Return the newest points that are acts, oldest first."""
    return [point for point in points if point.act][-MOST_LISTED:]

"""The points of a roll-out's curves as the judge wrote them, thinned to what a picture can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self

from jobs.db.statement import Statement, fetch_all
from models_registry.core.rollouts.statistics.rate_interval import rate_interval

MOST_READ = 20_000
MOST_DRAWN = 400
MOST_LISTED = 100


class _PointRow(NamedTuple):
    id: int
    at: datetime
    act: str
    document: dict[str, Any]


# The documents of thousands of looks would take seconds to read: the database leaves most of them out.
_POINTS = Statement(
    """
SELECT id, at, act, document FROM (
  SELECT id, at, act, document, row_number() OVER (ORDER BY id DESC) AS place, count(*) OVER () AS points
  FROM (
    SELECT id, at, act, document FROM jobs_rolloutpoint WHERE rollout = %(rollout)s
    ORDER BY id DESC LIMIT %(read)s
  ) newest
) placed
WHERE act <> '' OR (place - 1) %% greatest((points + %(drawn)s - 1) / %(drawn)s, 1) = 0 ORDER BY id
""",
    _PointRow,
)


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
    def of(cls, row: _PointRow) -> Self:
        """Read a row; what it lacks counts as 0."""
        counts = {name: int(row.document.get(name) or 0) for name in ("share_ppm", "met", "budget")}
        return cls(row.id, row.at, row.act, **counts, document=row.document)

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
    values = {"rollout": rollout, "read": MOST_READ, "drawn": MOST_DRAWN}
    return [CurvePoint.of(row) for row in fetch_all(_POINTS, values)]


def acts_of(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """Return the newest points that are acts, oldest first."""
    return [point for point in points if point.act][-MOST_LISTED:]

"""How long a version's recent batches ran, by their size: the points, a line through them, and a table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import linear_regression, median, quantiles
from typing import NamedTuple

from jobs.db.statement import Statement, fetch_all

MOST_BATCHES = 1_000


class BatchRun(NamedTuple):
    """A batch that has run: how many items it had, and its seconds."""

    size: int
    ran_s: float


class SizeRow(NamedTuple):
    """The runs of the sizes from `low` to `high`."""

    low: int
    high: int
    runs: int
    median_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds by size: `fixed_s + per_item_s * size`."""

    fixed_s: float
    per_item_s: float

    def seconds(self, size: float) -> float:
        """Return the seconds of a batch of `size`."""
        return self.fixed_s + self.per_item_s * size


# Ids hold the time, so the newest are at the end of the key; the inner limit bounds what is read.
_RUNS = Statement(
    """
SELECT size, ran_s FROM (
  SELECT version_id, size, ran_s, finished_at FROM jobs_batch ORDER BY id DESC LIMIT 20000
) newest
WHERE version_id = %(version)s AND ran_s IS NOT NULL AND finished_at IS NOT NULL LIMIT %(most)s
""",
    BatchRun,
)


def recent_runs(version: int) -> list[BatchRun]:
    """Return a version's newest runs, a thousand at most, among the last 20,000 batches of all versions."""
    return fetch_all(_RUNS, {"version": version, "most": MOST_BATCHES})


def fitted(runs: list[BatchRun]) -> Line | None:
    """Return the line of least squares; None where all runs have one size."""
    if len({run.size for run in runs}) < 2:  # noqa: PLR2004  # two points make a line
        return None
    slope, intercept = linear_regression([run.size for run in runs], [run.ran_s for run in runs])
    return Line(intercept, slope)


def by_size(runs: list[BatchRun]) -> list[SizeRow]:
    """Return the runs by ranges of sizes, each twice as wide as the one before."""
    ranges = defaultdict[int, list[float]](list)
    for run in runs:
        ranges[max(run.size - 1, 0).bit_length()].append(run.ran_s)
    return [_row(exponent, ranges[exponent]) for exponent in sorted(ranges)]


def _row(exponent: int, seconds: list[float]) -> SizeRow:
    p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return SizeRow((2**exponent >> 1) + 1 if exponent else 1, 2**exponent, len(seconds), median(seconds), p95)

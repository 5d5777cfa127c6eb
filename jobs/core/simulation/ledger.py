"""The batch ledger in virtual time: the facts that the surveyor reads from `jobs_batch`.

`survey_statements` counts the same rows in SQL; a test compares the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.core.admission.drain_rate import RecentRuns
from jobs.core.admission.queue_survey import LONGEST_BATCH_S, RUNS_WINDOW_S, LedgerCount
from jobs.core.batching.sealed_batch import BatchLimits


@dataclass(slots=True, eq=False)
class LedgerRow:
    """One claimed batch: version, sizes, time of claim, seconds of its run, time of its end, and its lane."""

    version: int
    size: int
    padded_size: int
    claimed_s: float
    ran_s: float = 0.0
    finished_s: float = 0.0
    slow: bool = False


class Ledger:
    """Open and recent batches of one model, whose versions have `limits`."""

    def __init__(self, limits: Mapping[int, BatchLimits]) -> None:
        self._limits = limits
        self._claimed_s: dict[int, float] = {}  # the last claim by version
        self._open: set[LedgerRow] = set()
        self._closed: deque[LedgerRow] = deque()

    def open(self, row: LedgerRow) -> None:
        """Add a batch that is claimed."""
        self._open.add(row)
        self._claimed_s[row.version] = max(row.claimed_s, self._claimed_s.get(row.version, row.claimed_s))

    def close(self, row: LedgerRow) -> None:
        """Count a batch as finished from now on."""
        self._open.discard(row)
        self._closed.append(row)

    def count(self, now: float, *, since_s: float) -> LedgerCount:
        """Return what the surveyor would find at `now`, `since_s` after its last count."""
        while self._closed and self._closed[0].finished_s <= now - max(RUNS_WINDOW_S, since_s):
            self._closed.popleft()
        running = sum(row.size for row in self._open if row.claimed_s >= now - LONGEST_BATCH_S)
        ended = sum(row.size for row in self._closed if now - row.finished_s < since_s)
        return LedgerCount(running, ended, self._recent_runs(now))

    def _recent_runs(self, now: float) -> RecentRuns | None:
        rows = [
            row
            for row in self._closed
            if row.finished_s > now - RUNS_WINDOW_S
            and row.claimed_s >= now - LONGEST_BATCH_S
            and row.ran_s > 0
        ]
        if not rows:
            return None
        jobs, ran_s = sum(row.size for row in rows), sum(row.ran_s for row in rows)
        recent = [self._limits[v] for v, at_s in self._claimed_s.items() if at_s >= now - LONGEST_BATCH_S]
        return RecentRuns(
            jobs,
            len(rows),
            ran_s,
            sum(row.padded_size for row in rows) / jobs,
            *_line(rows),
            sum((row.finished_s - row.claimed_s) * row.size for row in rows) / jobs,
            max(limits.max_batch for limits in recent),
            max(limits.max_padded_size for limits in recent),
        )


def _line(rows: Sequence[LedgerRow]) -> tuple[float, float | None]:
    """Return intercept and slope of run time by padded size; a slope of None where all sizes are equal."""
    mean_x = sum(row.padded_size for row in rows) / len(rows)
    mean_y = sum(row.ran_s for row in rows) / len(rows)
    variance = sum((row.padded_size - mean_x) ** 2 for row in rows)
    if not variance:
        return 0.0, None
    slope = sum((row.padded_size - mean_x) * (row.ran_s - mean_y) for row in rows) / variance
    return mean_y - slope * mean_x, slope

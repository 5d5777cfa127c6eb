"""How many jobs a model's workers finish a second, learned from the batch ledger. Pure.

While more jobs wait than the workers can hold, the rate is what they finish. While fewer wait, the workers
could finish more than they are given. Then the rate is that of full batches, calculated from the runs in
the ledger and corrected by how that calculation compared when the queue was last backlogged.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

FORGET_S = 120.0  # the rate of workers that ran nothing for so long is not known
MEASURED_S = 20.0  # a lasting backlog is measured over so many seconds, or over the least of runs
LEAST_MEASURED_S = 2.0
LEAST_MEASURED_RUNS = 3  # of a second each, in two seconds one or three may end
OVERLAP = 3.0  # batches of a worker between claim and verdict: one is prepared, one runs, one is stored
BACKLOG_BATCHES = 2  # full batches that wait for each worker: no device runs out of work
BACKLOG_COUNTS = 2  # so many counts in a row before the queue is taken as backlogged
_LEAST, _MOST = 0.1, 1.5


@dataclass(frozen=True, slots=True)
class RecentRuns:
    """Totals of a model's recent batches, and the line through their run times.

    A run of padded size x takes `fixed_s + per_unit_s * x` seconds; `per_unit_s` is None where all batches
    had one size. `per_item` is the padded size of a job, `answer_s` the mean time from claim to outcome.
    """

    jobs: int
    batches: int
    ran_s: float
    per_item: float
    fixed_s: float
    per_unit_s: float | None
    answer_s: float
    max_batch: int
    max_padded_size: int = 0

    @property
    def full(self) -> int:
        """Return how many items a full batch has."""
        if not self.max_padded_size or not self.per_item:
            return max(1, self.max_batch)
        return max(1, min(self.max_batch, int(self.max_padded_size / self.per_item)))

    @property
    def mean_s(self) -> float:
        """Return the mean seconds of a run."""
        return self.ran_s / self.batches

    @property
    def capacity_per_s(self) -> float:
        """Return the jobs a second that one lane finishes in full batches.

        Short runs are bound by what is around them: a few batches at a time are between claim and verdict.
        """
        mean_s, mean = self.mean_s, self.jobs / self.batches
        if self.per_unit_s is None or self.per_unit_s < 0 or self.fixed_s < 0:
            seconds = mean_s * (1.0 + max(0.0, self.full / mean - 1.0) / 2.0)  # half of it grows with size
        else:
            seconds = self.fixed_s + self.per_unit_s * self.full * self.per_item
        around_s = max(0.0, self.answer_s - mean_s)
        seconds = max(seconds, (around_s + seconds) / OVERLAP)
        return self.full / seconds if seconds > 0.0 else 0.0


class DrainRate:
    """The rate of all workers of one model."""

    def __init__(self) -> None:
        self.runs: RecentRuns | None = None
        self._idle_s = self._ended_per_s = 0.0
        self._measured = deque[tuple[float, int, int]]()  # seconds, workers, ended jobs
        self._backlogged = 0
        self._efficiency = 1.0

    def observe(
        self, *, waiting: int, ended: int, seconds: float, workers: int, runs: RecentRuns | None
    ) -> float | None:
        """Learn from `seconds` in which `ended` jobs ended and after which `waiting` wait; return the rate.

        The rate is None without a worker, before the first run, and long after the last one.
        """
        self._idle_s = 0.0 if runs else self._idle_s + seconds
        self.runs = runs or (self.runs if self._idle_s < FORGET_S else None)
        if not workers or self.runs is None:
            self._backlogged, self._ended_per_s = 0, 0.0
            self._measured.clear()
            return None
        backlog = waiting >= BACKLOG_BATCHES * self.runs.full * workers
        self._backlogged = self._backlogged + 1 if backlog else 0
        self._learn(ended, seconds, workers)
        return self._rate(self.runs.capacity_per_s * workers)

    def _learn(self, ended: int, seconds: float, workers: int) -> None:
        """Measure over a lasting backlog; otherwise the last value counts alone.

        Batches end at once, so a count of half a second sees none or many. What was measured with fewer or
        more workers counts for each of them, so that a start or an end does not look like a change of speed.
        """
        if self._backlogged <= BACKLOG_COUNTS:
            self._measured.clear()
            self._ended_per_s = ended / seconds
            return
        least_s = max(LEAST_MEASURED_S, LEAST_MEASURED_RUNS * self.runs.mean_s if self.runs else 0.0)
        self._measured.append((seconds, workers, ended))
        while sum(part_s for part_s, _, _ in self._measured) > max(MEASURED_S, least_s) + seconds:
            self._measured.popleft()
        measured_s = sum(part_s for part_s, _, _ in self._measured)
        worker_s = sum(part_s * live for part_s, live, _ in self._measured)
        jobs = sum(number for _, _, number in self._measured)
        self._ended_per_s = jobs / worker_s * workers if measured_s >= least_s else 0.0

    def _rate(self, capacity_per_s: float) -> float | None:
        if self._backlogged > BACKLOG_COUNTS and self._ended_per_s:
            if capacity_per_s:
                self._efficiency = min(max(self._ended_per_s / capacity_per_s, _LEAST), _MOST)
            return self._ended_per_s
        if self._backlogged:
            return self._efficiency * capacity_per_s or None
        return max(self._efficiency * capacity_per_s, self._ended_per_s) or None

"""Turns the surveyor's counts into rates for admission: drain rate, answer time, arrivals. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from jobs.core.admission.drain_rate import DrainRate, RecentRuns
from jobs.core.admission.queue_count import COUNT_EVERY_S, QueueCount

RUNS_WINDOW_S = 10.0  # batches that finished within it are the recent runs
MEAN_S = 10.0  # arrivals that people and scalers see are a mean over so long
LONGEST_BATCH_S = 90.0  # a batch that was claimed earlier is not seen


@dataclass(frozen=True, slots=True)
class LedgerCount:
    """A model's batches: jobs in open ones, jobs that ended since the last count, and the recent runs."""

    running: int = 0
    ended: int = 0
    runs: RecentRuns | None = None


class QueueSurvey:
    """One model's queue from count to count."""

    def __init__(self) -> None:
        self._rate = DrainRate()
        self._jobs: int | None = None
        self._lately = deque[tuple[float, int]]()  # seconds, and how many jobs came in them
        self._worker_per_s: float | None = None

    def observe(
        self, count: QueueCount, ledger: LedgerCount, *, workers: int, since_s: float | None
    ) -> QueueCount:
        """Return the count with rates; the last one was `since_s` ago, None where there was none."""
        waiting, seconds = sum(count.waiting), COUNT_EVERY_S if since_s is None else since_s
        per_s = self._rate.observe(
            waiting=waiting, ended=ledger.ended, seconds=seconds, workers=workers, runs=ledger.runs
        )
        arrived = self._arrived(waiting + ledger.running, ledger.ended)
        if per_s and workers:
            self._worker_per_s = per_s / workers
        return replace(
            count,
            workers=workers,
            per_s=per_s,
            answer_s=self._rate.runs.answer_s if self._rate.runs else 0.0,
            arriving_per_s=0.0 if since_s is None else arrived / seconds,
            arrivals_per_s=self._mean_per_s(arrived, since_s),
            worker_per_s=self._worker_per_s,
        )

    def _mean_per_s(self, arrived: int, since_s: float | None) -> float | None:
        if since_s is None:
            self._lately.clear()
            return None
        self._lately.append((since_s, arrived))
        while sum(seconds for seconds, _ in self._lately) - self._lately[0][0] >= MEAN_S:
            self._lately.popleft()
        return sum(jobs for _, jobs in self._lately) / sum(seconds for seconds, _ in self._lately)

    def _arrived(self, jobs: int, ended: int) -> int:
        """Return how many jobs came since the last count, where `jobs` wait or run now."""
        before = jobs if self._jobs is None else self._jobs
        self._jobs = jobs
        return max(0, jobs - before + ended)

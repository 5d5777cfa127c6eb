"""Turns the surveyor's counts into rates for admission: drain rate, answer time, arrivals. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobs.core.admission.drain_rate import DrainRate, RecentRuns
from jobs.core.admission.queue_count import COUNT_EVERY_S, QueueCount

RUNS_WINDOW_S = 10.0  # batches that finished within it are the recent runs
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

    def observe(
        self, count: QueueCount, ledger: LedgerCount, *, workers: int, since_s: float | None
    ) -> QueueCount:
        """Return the count with rates; the last one was `since_s` ago, None where there was none."""
        waiting, seconds = sum(count.waiting), COUNT_EVERY_S if since_s is None else since_s
        per_s = self._rate.observe(
            waiting=waiting, ended=ledger.ended, seconds=seconds, workers=workers, runs=ledger.runs
        )
        arrived = self._arrived(waiting + ledger.running, ledger.ended)
        return replace(
            count,
            workers=workers,
            per_s=per_s,
            answer_s=self._rate.runs.answer_s if self._rate.runs else 0.0,
            arriving_per_s=0.0 if since_s is None else arrived / seconds,
        )

    def _arrived(self, jobs: int, ended: int) -> int:
        """Return how many jobs came since the last count, where `jobs` wait or run now."""
        before = jobs if self._jobs is None else self._jobs
        self._jobs = jobs
        return max(0, jobs - before + ended)

"""An observer of the pipeline that reports as another one does, and offers what was stored for sampling."""

from __future__ import annotations

from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.worker.drift.drift_sampler import DriftSampler
from jobs.worker.pipeline import Observer
from jobs.worker.stages.claimed_batch import ClaimedBatch, Refused


class SampledReports:
    """Reports first: no acknowledgement waits for a sample."""

    def __init__(self, reports: Observer, sampler: DriftSampler) -> None:
        self._reports, self._sampler = reports, sampler

    def refused(self, refused: list[Refused]) -> None:
        """Report refused deliveries."""
        self._reports.refused(refused)

    def claimed(self, batch: ClaimedBatch) -> None:
        """Report a claimed batch."""
        self._reports.claimed(batch)
        self._sampler.claimed(batch)

    def settled(self, batch: ClaimedBatch, verdicts: list[Verdict], settled: list[Settled]) -> None:
        """Report a stored batch, and offer its jobs."""
        self._reports.settled(batch, verdicts, settled)
        self._sampler.offer(batch, verdicts)

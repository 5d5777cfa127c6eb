"""The verdict on each outcome of a batch: a success is stored, a failure tried again or buried."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import Attempt, Bury, decide
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Verdict
from jobs.worker.stages.claimed_batch import ClaimedBatch

ExpectedS = Callable[[Hashable, int], float]


def at_once(_key: Hashable, _padded_size: int) -> float:
    """Return 0: no run has been measured yet."""
    return 0.0


@dataclass(frozen=True, slots=True)
class BatchVerdicts:
    """Makes a batch's verdicts; `expected_s` predicts the run time of a version and padded size."""

    batch: ClaimedBatch
    expected_s: ExpectedS = at_once

    def verdict(self, at: int, outcome: Success | Failure) -> Verdict:
        """Return the verdict on the job at position `at` of the batch."""
        job = self.batch.jobs[at]
        if isinstance(outcome, Success):
            return Verdict(job.job, job.epoch, outcome)
        after = decide(
            outcome.kind,
            Attempt(job.attempts, job.max_attempts, self.left_s(job), self._needs_s(at)),
            policy=self.batch.retry,
            chance=random.random(),  # noqa: S311  # jitter, not a secret
        )
        suspect = self._raised_alone(outcome) and isinstance(after, Bury) and after.exhausted
        return Verdict(job.job, job.epoch, outcome, after, attempt=job.attempts, suspect=suspect)

    def left_s(self, job: Claimed) -> float | None:
        """Return the seconds until the deadline: by the database's clock at the claim, by ours since then."""
        return None if job.left_s is None else job.left_s - (time.monotonic() - self.batch.claimed_at)

    def _needs_s(self, at: int) -> float:
        if self.batch.jobs[at].left_s is None:
            return 0.0
        return self.expected_s(self.batch.key, self.batch.deliveries[at].units)

    def _raised_alone(self, outcome: Failure) -> bool:
        # Where the model could not even be loaded, the job is not to blame.
        return outcome.kind is FailureKind.INTERNAL and self.batch.failure is None

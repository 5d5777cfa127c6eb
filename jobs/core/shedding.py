"""Shedding: whether a job that comes now would be answered in time, and if not, when to ask again. Pure.

A job is refused when the time until its answer is estimated beyond the model's p95 goal or its own
deadline. A queue that stands for as long as the goal is no burst but overload: from then on it is held
at the level where every batch is full already, because more of it buys no throughput and costs latency.
(CoDel's distinction between good and bad queue, Nichols and Jacobson, 2012, applied at admission.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jobs.core.batching.sealed_batch import BatchLimits

# One batch that runs and one that waits whole for it, on each lane: the device never runs a partial one.
FULL_WAIT_BATCHES = 2.0
# Less than this much of a batch waiting for each lane means that the queue was down: it does not stand.
SLACK_BATCHES = 0.5
# From fewer runs the service time of larger ones is a guess, and no ground to refuse anybody.
ROUNDING_S = 1e-6  # sums of binary fractions miss a goal that is met by less than this
KNOWN_RUNS = 2.5


class Service(Protocol):
    """What a run takes, as it was learned from `weight` runs."""

    @property
    def weight(self) -> float: ...  # noqa: D102

    def seconds(self, padded_size: float) -> float:
        """Return the predicted seconds of a run of `padded_size`."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is in front of a new job: items in no batch yet, batches sealed and not ended, their sizes."""

    waiting: int = 0
    waiting_size: int = 0
    sealed: int = 0
    sealed_size: int = 0


@dataclass(frozen=True, slots=True)
class Drain:
    """What takes a backlog away: `lanes` batches at once over all workers, each within `limits`."""

    service: Service
    limits: BatchLimits
    lanes: int = 1
    overhead_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds until a batch takes the new job, and until its answer; `batch_s` is a full batch's run."""

    wait_s: float
    answer_s: float
    batch_s: float


@dataclass(frozen=True, slots=True)
class Admit:
    """Take the job."""

    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Refuse:
    """Turn the job away; after `retry_after_s` the backlog will have drained enough."""

    estimate: Estimate
    allowed_s: float
    retry_after_s: float


def estimate(backlog: Backlog, drain: Drain) -> Estimate:
    """Return what a job that comes behind `backlog` has to expect; batches that run are counted whole."""
    each = max(1.0, backlog.waiting_size / max(1, backlog.waiting))
    full, seconds = _full(drain.limits, each), drain.service.seconds
    batches, rest = divmod(backlog.waiting, full)
    batch_s, own_s = seconds(full * each), seconds((rest + 1) * each)
    ahead, work_s = backlog.sealed + batches, batches * batch_s
    if backlog.sealed:
        work_s += backlog.sealed * seconds(backlog.sealed_size / backlog.sealed)
    before = max(0, ahead - drain.lanes + 1)  # of those ahead, how many end before a lane takes the new job
    wait_s = before * work_s / ahead / drain.lanes if ahead else 0.0
    return Estimate(wait_s, wait_s + own_s + drain.overhead_s, batch_s)


def _full(limits: BatchLimits, each: float) -> int:
    if not limits.max_padded_size:
        return limits.max_batch
    return max(1, min(limits.max_batch, int(limits.max_padded_size / each)))


class Shedder:
    """Admission of one model version with a goal of `goal_s` from admission to answer; 0 is no goal."""

    def __init__(self, goal_s: float) -> None:
        self._goal_s = goal_s
        self._slack_at_s: float | None = None

    def decide(
        self, now: float, backlog: Backlog, drain: Drain, *, deadline_in_s: float | None = None
    ) -> Admit | Refuse:
        """Say whether a job that comes at `now` is taken; `deadline_in_s` is what its client gives it."""
        expected = estimate(backlog, drain)
        bound_s = self._bound_s(expected, drain, stands=self._stands(now, backlog, drain))
        allowed_s = bound_s if deadline_in_s is None else min(bound_s, deadline_in_s)
        over_s = expected.answer_s - allowed_s
        if over_s <= ROUNDING_S or drain.service.weight < KNOWN_RUNS:
            return Admit(expected)
        return Refuse(expected, allowed_s, max(over_s, expected.batch_s / drain.lanes))

    def _stands(self, now: float, backlog: Backlog, drain: Drain) -> bool:
        """Say whether the queue has not been down for as long as the goal: a burst would be over by then."""
        waiting = max(0, backlog.sealed - drain.lanes) + backlog.waiting / drain.limits.max_batch
        if self._slack_at_s is None or waiting < SLACK_BATCHES * drain.lanes:
            self._slack_at_s = now
        return now - self._slack_at_s >= self._goal_s

    def _bound_s(self, expected: Estimate, drain: Drain, *, stands: bool) -> float:
        """Return the time to an answer that the goal allows; an idle lane takes a job whatever the goal."""
        if not self._goal_s or not expected.wait_s:
            return float("inf")
        full_s = (FULL_WAIT_BATCHES + 1.0) * expected.batch_s + drain.overhead_s
        return min(self._goal_s, full_s) if stands else self._goal_s

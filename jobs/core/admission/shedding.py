"""Load shedding: estimate when a new job would be answered, and decide whether to admit it. Pure.

A job waits behind jobs of higher priority. Within its own priority clients take turns, so it waits behind
its own client's jobs and behind an equal number of each other client's. Therefore the lowest priority is
shed first, and within a priority the client with the most jobs. A model without the option `shed`
refuses no job for its wait unless the job has a deadline; the number of waiting jobs is bounded for all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from jobs.core.admission.queue_count import QueueCount
from jobs.core.admission.queue_estimate import QueuePlace

# In overload the queue stays at the bound, so nearly every admitted job waits as long as the bound allows.
# The other part of the goal covers errors of the estimate and workers that stall.
GOAL_FRACTION = 0.6
UNKNOWN_RETRY_S = 30
LONGEST_RETRY_S = 3_600


class ShedReason(StrEnum):
    """Why a job is shed; also the label of the metric."""

    GOAL = "goal"
    DEADLINE = "deadline"
    FULL = "full"


class EtaUnknown(StrEnum):
    """Why there is no estimate of a job's answer, as the API says it."""

    NOT_COUNTED = "not_counted"  # the last count of the queue is minutes old
    NO_WORKER = "no_worker"
    CIRCUIT_OPEN = "circuit_open"
    PAUSED = "paused"  # an operator lets the jobs of its model, version or client wait
    NOT_MEASURED = "not_measured"  # the workers have run nothing lately


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """Upper bounds for one job: jobs that may wait, and seconds until its answer.

    `goal_s` is the p95 goal of a model that sheds, 0 for a model that does not; `deadline_s` is in
    seconds from now.
    """

    max_waiting: int
    goal_s: float = 0.0
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """An estimate: jobs ahead, and seconds until the answer; None where these are unknown, and then why."""

    position: int
    eta_s: float | None = None
    unknown: EtaUnknown | None = None


@dataclass(frozen=True, slots=True)
class Shed:
    """Refuse the job; after `retry_after_s` enough of the backlog will have drained."""

    why: ShedReason
    retry_after_s: int
    expected: Expected


def expect(position: int, count: QueueCount) -> Expected:
    """Estimate the answer of a job behind `position` others.

    Without a live worker it is that of the first one that an autoscaler starts.
    """
    if count.per_s:
        return Expected(position, position / count.per_s + count.answer_s)
    if count.workers == 0 and count.start_s is not None and (count.worker_per_s or not position):
        runs_s = (position + 1) / count.worker_per_s if count.worker_per_s else 0.0
        return Expected(position, count.start_s + runs_s + count.answer_s)
    return Expected(position, unknown=EtaUnknown.NO_WORKER if count.workers == 0 else EtaUnknown.NOT_MEASURED)


def shed_from(count: QueueCount, place: QueuePlace, limits: WaitLimits, *, more: int = 0) -> Shed | None:
    """Return the refusal of a job at `place` behind `more` jobs of its call, or None to admit it."""
    expected = expect(place.position(more), count)
    return decide(expected, limits, waiting=place.waiting + more, per_s=count.per_s)


def decide(expected: Expected, limits: WaitLimits, *, waiting: int, per_s: float | None) -> Shed | None:
    """Return the refusal of a job where `waiting` of its priority or higher wait, or None to admit it.

    A job with nothing ahead of it is admitted whatever its goal and deadline, and so is one for which a
    worker has yet to start: its jobs are what makes the autoscaler start it.
    """
    over = waiting + 1 - limits.max_waiting
    if over > 0:
        return Shed(ShedReason.FULL, _retry_after_s(over / per_s if per_s else UNKNOWN_RETRY_S), expected)
    if expected.eta_s is None or not expected.position or not per_s:
        return None
    goal_s = limits.goal_s * GOAL_FRACTION or math.inf
    deadline_s = math.inf if limits.deadline_s is None else limits.deadline_s
    over_s = expected.eta_s - min(goal_s, deadline_s)
    if over_s <= 0.0:
        return None
    why = ShedReason.DEADLINE if deadline_s < goal_s else ShedReason.GOAL
    return Shed(why, _retry_after_s(over_s), expected)


def _retry_after_s(seconds: float) -> int:
    """Return whole seconds, as the header Retry-After needs them."""
    return min(max(1, math.ceil(seconds)), LONGEST_RETRY_S)

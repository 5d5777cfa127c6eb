"""The front door: when a job that comes now would be answered, and whether it is taken. Pure.

A job waits for those of higher priority, and for its own client's of its own, with which the other clients'
take turns: so the lowest priority is shed first, and of that whoever has most there. A model whose
goal does not bind admission is never shed for the wait of jobs without a deadline, but its queue is
bounded by count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

# In overload the queue stands at the bound, so that nearly each accepted job waits as long as the bound: the
# rest is for what the estimate is off and for a worker that stalls.
GOAL_SHARE = 0.6
UNKNOWN_RETRY_S = 30
LONGEST_RETRY_S = 3_600


class ShedReason(StrEnum):
    """Why a job is shed; the label of its metric."""

    GOAL = "goal"
    DEADLINE = "deadline"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """What a job may expect at most: `goal_s` is the p95 goal of a model that sheds, else 0."""

    max_waiting: int
    goal_s: float = 0.0
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """An estimate: jobs ahead, and seconds until the answer; None where the drain rate is not known."""

    position: int
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class Shed:
    """Turn the job away; after `retry_after_s` enough of the backlog will have drained."""

    why: ShedReason
    retry_after_s: int
    expected: Expected


def expect(position: int, *, per_s: float | None, answer_s: float) -> Expected:
    """Return what a job has to expect behind `position` others, of which `per_s` end a second."""
    return Expected(position, position / per_s + answer_s if per_s else None)


def decide(expected: Expected, bounds: WaitLimits, *, waiting: int, per_s: float | None) -> Shed | None:
    """Return why a job is not taken beside `waiting` of its priority or higher; None where it is.

    An empty queue takes a job whatever the bounds.
    """
    over = waiting + 1 - bounds.max_waiting
    if over > 0:
        return Shed(ShedReason.FULL, _whole_s(over / per_s if per_s else UNKNOWN_RETRY_S), expected)
    if expected.eta_s is None or not expected.position:
        return None
    goal_s = bounds.goal_s * GOAL_SHARE or math.inf
    deadline_s = math.inf if bounds.deadline_s is None else bounds.deadline_s
    over_s = expected.eta_s - min(goal_s, deadline_s)
    if over_s <= 0.0:
        return None
    return Shed(ShedReason.DEADLINE if deadline_s < goal_s else ShedReason.GOAL, _whole_s(over_s), expected)


def _whole_s(seconds: float) -> int:
    return min(max(1, math.ceil(seconds)), LONGEST_RETRY_S)

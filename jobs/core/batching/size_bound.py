"""How large a batch may be and how long it may linger: memory, deadlines, the p95 goal, expected arrivals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobs.core.batching.group import Group
from jobs.core.batching.learned import Estimators
from jobs.core.batching.sealed_batch import BatchLimits, SealReason

_PATIENCE_GAPS = 2.0  # an arrival that is this many expected gaps late is not expected any more


@dataclass(frozen=True, slots=True)
class SizeBound:
    """The padded size that a batch may have, and why it may have no more."""

    size: float
    reason: SealReason


def bound_of(group: Group[Any], limits: BatchLimits, learned: Estimators, *, start_s: float) -> SizeBound:
    """Return the tightest bound of a batch that begins to run at `start_s`.

    A deadline or goal that even the smallest batch would miss bounds nothing: cutting would only make the
    others late as well. The goal counts only while a batch can take all that waits, for under backlog
    smaller batches lengthen every wait.
    """
    bounds = [
        SizeBound(limits.max_padded_size or float("inf"), SealReason.FULL),
        SizeBound(learned.memory.size, SealReason.MEMORY),
        SizeBound(_fitting(learned, group.deadline_s - start_s), SealReason.DEADLINE),
    ]
    if limits.p95_goal_s and len(group) <= limits.max_batch:
        left_s = group.oldest_s + limits.p95_goal_s - start_s
        bounds.append(SizeBound(_fitting(learned, left_s), SealReason.SLO))
    return min(bounds, key=lambda bound: bound.size)


def _fitting(learned: Estimators, seconds: float) -> float:
    size = learned.service.size_within(seconds) if seconds < float("inf") else float("inf")
    return size if size >= 1.0 else float("inf")


def linger_until(group: Group[Any], limits: BatchLimits, learned: Estimators, *, now: float) -> float:
    """Return until when waiting for the next arrival is expected to pay; `now` where it does not.

    A run now makes the next arrival wait for its fixed part; waiting makes each of the n items that are
    here wait a gap between arrivals: it pays while (n + 1) gaps are shorter than the fixed part.
    """
    rate, fixed_s = learned.arrivals.per_s, learned.service.fixed_s
    if (len(group) + 1) >= rate * fixed_s:
        return now
    until = learned.arrivals.last_s + _PATIENCE_GAPS / rate
    return max(now, min(until, group.oldest_s + fixed_s, _latest(group, limits, learned)))


def _latest(group: Group[Any], limits: BatchLimits, learned: Estimators) -> float:
    goal_s = limits.p95_goal_s or float("inf")
    spent_s = learned.service.seconds(limits.max_batch)
    return min(group.deadline_s, group.oldest_s + goal_s) - spent_s

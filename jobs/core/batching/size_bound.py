"""How large a batch may be and how long it may wait, by memory, deadlines, p95 goal and arrivals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobs.core.batching.estimators import Estimators
from jobs.core.batching.group import Group
from jobs.core.batching.sealed_batch import BatchLimits, SealReason

_PATIENCE_GAPS = 2.0  # after so many expected gaps without an arrival none is expected any more


@dataclass(frozen=True, slots=True)
class SizeBound:
    """The largest padded size of a batch, and the reason for the limit."""

    size: float
    reason: SealReason


def bound_of(
    group: Group[Any], limits: BatchLimits, estimators: Estimators, *, start_s: float, sliced: bool = False
) -> SizeBound:
    """Return the tightest bound of a batch that starts to run at `start_s`; a `sliced` one takes a slice.

    A deadline or goal that even the smallest batch would miss is no bound, because a smaller batch would only
    make other items late as well. The goal counts only while one batch can hold all items, because in a
    backlog smaller batches lengthen every wait.
    """
    bounds = [
        SizeBound(limits.max_padded_size or float("inf"), SealReason.FULL),
        SizeBound(estimators.memory.size, SealReason.MEMORY),
        SizeBound((limits.padded and limits.max_input_bytes) or float("inf"), SealReason.BYTES),
        SizeBound(_fitting(estimators, group.deadline_s - start_s), SealReason.DEADLINE),
    ]
    if limits.p95_goal_s and len(group) <= limits.max_batch:
        left_s = group.oldest_s + limits.p95_goal_s - start_s
        bounds.append(SizeBound(_fitting(estimators, left_s), SealReason.SLO))
    if sliced:
        bounds.append(SizeBound(_slice(limits, estimators), SealReason.SLICE))
    return min(bounds, key=lambda bound: bound.size)


def _fitting(estimators: Estimators, seconds: float) -> float:
    size = estimators.service.size_within(seconds) if seconds < float("inf") else float("inf")
    return size if size >= 1.0 else float("inf")


def _slice(limits: BatchLimits, estimators: Estimators) -> float:
    """Return the size that runs for a slice of time: a single item before the first run, and at least one."""
    service = estimators.service
    return max(service.size_within(limits.slow_slice_s), 1.0) if service.weight else 1.0


def linger_until(
    group: Group[Any], limits: BatchLimits, estimators: Estimators, *, now: float, cost_s: float
) -> float:
    """Return until when it is expected to pay to wait for the next arrival; `now` if it does not pay.

    `cost_s` is what another batch costs, whatever it holds: a run that starts now makes the next arrival wait
    for its fixed time, and where the platform is busy, each batch makes others wait for its claim and settle.
    Waiting makes each of the n items wait for one gap between arrivals. So it pays while (n + 1) gaps are
    shorter than the cost.
    """
    rate = estimators.arrivals.per_s
    if (len(group) + 1) >= rate * cost_s:
        return now
    until = estimators.arrivals.last_s + _PATIENCE_GAPS / rate
    return max(now, min(until, group.oldest_s + cost_s, _latest(group, limits, estimators)))


def _latest(group: Group[Any], limits: BatchLimits, estimators: Estimators) -> float:
    goal_s = limits.p95_goal_s or float("inf")
    spent_s = estimators.service.seconds(limits.max_batch)
    return min(group.deadline_s, group.oldest_s + goal_s) - spent_s

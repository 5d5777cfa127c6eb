"""The verdict on a load test: whether its figures may be believed, and whether they meet the goals."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from jobs.core.loadtest.load_report import GoalResult, LoadSums, LoadVerdict
from jobs.core.loadtest.load_words import LoadGoal

LATE_MS = 10.0  # more than this at p99, and the sender measured itself
LEAST_SENT, MOST_UNMEASURED = 0.99, 0.01


def goal_result(goal: LoadGoal, latencies_s: Sequence[float], lost: int) -> GoalResult:
    """Hold sorted latencies against a goal; `lost` jobs never succeeded, and count as slower than all."""
    rank = max(1, ceil(_exact(goal.percentile * (len(latencies_s) + lost) / 100.0)))
    seen_s = latencies_s[rank - 1] if rank <= len(latencies_s) else None
    return GoalResult(
        goal=str(goal),
        limit_ms=goal.limit_s * 1e3,
        seen_ms=None if seen_s is None else round(seen_s * 1e3, 3),
        met=seen_s is not None and seen_s <= goal.limit_s,
    )


def _exact(rank: float) -> float:
    """Return a rank without the error of floats: 95 % of 100 is the 95th."""
    return round(rank, 6)


def distrust(sums: LoadSums, late_p99_ms: float | None, unmeasured: int) -> list[str]:
    """Return the reasons for which the figures say more of the sender than of the platform."""
    reasons = []
    if not sums.closes:
        reasons.append(f"the sums do not close: {sums}")
    if sums.sent < LEAST_SENT * sums.intended:
        share = floor(1000 * sums.sent / sums.intended) / 10
        reasons.append(
            f"only {share:g} % of the jobs were sent: the sender was stopped or had no free connection"
        )
    if sums.sent and not sums.accepted:
        reasons.append("no job was accepted")
    if late_p99_ms is not None and late_p99_ms > LATE_MS:
        reasons.append(
            f"the sender was late by {late_p99_ms:.1f} ms at p99, more than {LATE_MS:g}: send less, or from a"
            " machine with a free core"
        )
    if unmeasured > MOST_UNMEASURED * max(1, sums.accepted):
        reasons.append(
            f"of {unmeasured:,} jobs nobody saw the end in time: choose another --wait, or allow by"
            " --allow-host the host that the platform names for waiting"
        )
    return reasons


def verdict_of(
    distrusted: Sequence[str], goals: Sequence[GoalResult], *, measured: int
) -> tuple[LoadVerdict, list[str]]:
    """Return the verdict and its reasons; a run that cannot be believed neither meets nor misses a goal.

    Nor is a run good that has no goal and no job whose latency was `measured`.
    """
    if distrusted:
        return "invalid", list(distrusted)
    if not goals and not measured:
        return "invalid", ["no job was seen to succeed, so nothing was measured"]
    missed = [f"{goal.goal} was missed: {_seen(goal)}" for goal in goals if not goal.met]
    return ("missed", missed) if missed else ("good", [])


def _seen(goal: GoalResult) -> str:
    return "too many jobs did not succeed" if goal.seen_ms is None else f"{goal.seen_ms:,.1f} ms"

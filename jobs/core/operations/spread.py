"""How long many jobs took, as counts in buckets that grow by 5 %: a percentile is right within 2.5 %.

Bucket 0 holds all up to a millisecond, bucket n those up to 1.05 ** n milliseconds. Counts of different
seconds, models or workers are added up, which percentiles cannot be. The recorder's statements place a job by
the same formula in SQL; a test holds the two together.
"""

from __future__ import annotations

import math
from collections import Counter

from jobs.core.operations.operations_reading import Percentiles

FIRST_S = 0.001
GROWTH = 1.05
NEAR = 1e-9  # so that rounding moves no time on an edge into the next bucket
Spread = Counter[int]  # jobs by bucket
_LOG_GROWTH = math.log(GROWTH)


def bucket_of(seconds: float) -> int:
    """Return the bucket that holds a time."""
    return math.ceil(math.log(max(seconds, FIRST_S) / FIRST_S) / _LOG_GROWTH - NEAR)


def seconds_of(bucket: int) -> float:
    """Return the time in the middle of a bucket, by ratio."""
    return FIRST_S * math.exp(_LOG_GROWTH * (bucket - 0.5)) if bucket else FIRST_S


def percentiles_of(spread: Spread) -> Percentiles:
    """Return the percentiles of a spread, by the nearest rank."""
    count = spread.total()
    if count <= 0:
        return Percentiles()
    p50, p95, p99 = (_at_rank(spread, math.ceil(count * share)) for share in (0.50, 0.95, 0.99))
    return Percentiles(count=count, p50_s=p50, p95_s=p95, p99_s=p99)


def share_within(spread: Spread, goal_s: float) -> float | None:
    """Return which share of the jobs took `goal_s` at most; None of no jobs."""
    count = spread.total()
    if count <= 0:
        return None
    return sum(jobs for bucket, jobs in spread.items() if seconds_of(bucket) <= goal_s) / count


def _at_rank(spread: Spread, rank: int) -> float:
    passed = 0
    for bucket in sorted(spread):
        passed += spread[bucket]
        if passed >= rank:
            break
    return round(seconds_of(bucket), 6)

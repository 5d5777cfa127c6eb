"""An upper bound of a latency's percentile, from independent replications of a simulation.

Each replication draws arrivals and jitter of its own and gives one estimate of the percentile. The latencies
within a replication depend on each other, the estimates do not: their mean has the error that Student's t
gives. (Batch means on one long trace need batches longer than any backlog, and near the capacity none is.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf, isinf, sqrt
from statistics import fmean, stdev

from jobs.core.simulation.report import SimulationReport

CONFIDENCE = 0.95
WARM = 0.1  # the part of a replication that is not measured, because it began with an empty queue
COOL = 0.05  # the part at its end that is not measured, because no job came after it
# The one-sided 95 % quantile of Student's t by degrees of freedom.
_T = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753,
    1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697,
)  # fmt: skip


def percentile_s(report: SimulationReport, percentile: float) -> float:
    """Return a percentile of the latencies between warm-up and end.

    Jobs without a result count as slower than all: infinity where the percentile falls on one of them.
    """
    first, last = int(WARM * report.served), report.served - int(COOL * report.served)
    latencies_s = sorted(report.latencies_s[first:last])
    lost = (1.0 - WARM - COOL) * (report.offered - report.served)
    rank = max(1, ceil(round(percentile / 100.0 * (len(latencies_s) + lost), 6)))
    return latencies_s[rank - 1] if rank <= len(latencies_s) else inf


def upper_bound(estimates: Sequence[float]) -> float:
    """Return what the mean of independent estimates does not exceed with a confidence of 95 %.

    Of one estimate it is infinity, because it says nothing of its error.
    """
    if len(estimates) < 2 or any(map(isinf, estimates)):  # noqa: PLR2004  # a deviation takes two
        return inf
    freedom = min(len(estimates) - 1, len(_T))
    return fmean(estimates) + _T[freedom - 1] * stdev(estimates) / sqrt(len(estimates))

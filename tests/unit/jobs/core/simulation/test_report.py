"""The figures of a report, from counts that a person can check."""

from __future__ import annotations

from array import array
from collections import Counter
from math import isnan

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.simulation.report import SimulationReport


def test_the_figures_are_those_of_the_counts() -> None:
    report = SimulationReport(
        lanes=2,
        offered=6,
        refused=1,
        expired=1,
        offered_s=1.5,
        span_s=2.0,
        busy_s=3.0,
        batched=5,
        seals=Counter({SealReason.IDLE: 2}),
        latencies_s=array("d", [0.4, 0.1, 0.3, 0.2]),
    )
    assert (report.served, report.throughput_per_s, report.offered_per_s) == (4, 2.0, 4.0)
    assert (report.mean_batch, report.utilisation, report.mean_latency_s) == (2.5, 0.75, 0.25)
    assert [report.latency_s(share) for share in (0.5, 0.51, 0.99, 1.0)] == [0.2, 0.3, 0.4, 0.4]


def test_nothing_served_is_no_latency() -> None:
    report = SimulationReport()
    assert isnan(report.latency_s(0.5))
    assert (report.throughput_per_s, report.mean_batch, report.utilisation) == (0.0, 0.0, 0.0)

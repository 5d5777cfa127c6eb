"""Draws latency and throughput against load to a PNG, without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.management.simulate.runs import Run

FRACTIONS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
WIDE = 20.0  # a wider ratio of latencies is drawn on a logarithmic scale


def draw(runs: Sequence[Run], path: Path) -> None:
    """Write the curves of the runs to `path`."""
    from matplotlib.figure import Figure  # the import takes half a second, which only a picture needs

    ordered = sorted(runs, key=lambda run: run.load)
    figure = Figure(figsize=(8, 8), layout="constrained")
    latency, throughput = figure.subplots(2, 1, sharex=True)
    _latencies(latency, ordered)
    _throughput(throughput, ordered)
    figure.savefig(path, format="png", dpi=120)


def _latencies(axes: Any, runs: Sequence[Run]) -> None:
    curves = {
        name: [run.report.latency_s(fraction) * 1e3 for run in runs] for name, fraction in FRACTIONS.items()
    }
    for name, points in curves.items():
        axes.plot([run.load for run in runs], points, marker="o", label=name)
    axes.set_ylabel("latency, ms")
    if max(curves["p99"]) > WIDE * min(curves["p50"]):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0.0)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()


def _throughput(axes: Any, runs: Sequence[Run]) -> None:
    loads = [run.load for run in runs]
    axes.plot(loads, [run.report.offered_per_s for run in runs], linestyle=":", label="offered")
    axes.plot(loads, [run.report.throughput_per_s for run in runs], marker="o", label="served")
    axes.axhline(runs[0].capacity_per_s, color="grey", linewidth=1, label="capacity")
    axes.set_xlabel("load, share of the capacity")
    axes.set_ylabel("jobs a second")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()

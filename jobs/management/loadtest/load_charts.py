"""Draws a load test to PNGs, without a display: latencies over the percentiles, and its course over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import ceil, nan
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from jobs.core.loadtest.load_report import LoadReport, LoadSlice

PERCENTS = (0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99)
WIDE = 20.0  # a wider ratio of latencies is drawn on a logarithmic scale


def draw_load(report: LoadReport, folder: Path) -> list[Path]:
    """Write the charts into a folder, and return their paths."""
    from matplotlib.figure import Figure  # the import takes half a second, which only a picture needs

    paths = []
    for name, draw, height in (("course", _course, 6.0), ("latency", _latency, 3.6)):
        figure = Figure(figsize=(9, height), layout="constrained")
        draw(figure, report)
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], format="png", dpi=110)
    return paths


def _course(figure: Any, report: LoadReport) -> None:
    rates, latencies = figure.subplots(2, 1, sharex=True)
    edges = [*(one.at_s for one in report.slices), report.slice_s * len(report.slices)]
    lines = (("intended", "intended", ":"), ("sent", "sent", "--"), (report.measured, "finished", "-"))
    for name, attribute, line in lines:
        per_s = [getattr(one, attribute) / report.slice_s for one in report.slices]
        rates.stairs(per_s, edges, baseline=None, linestyle=line, label=name)
    rates.set_ylabel("jobs a second")
    rates.set_ylim(bottom=0.0)
    values = {percent: [percentile_ms(one, percent) for one in report.slices] for percent in (50, 95, 99)}
    for percent, points in values.items():
        gaps = [nan if point is None else point for point in points]
        latencies.stairs(gaps, edges, baseline=None, label=f"p{percent}")
    latencies.set_ylabel("latency, ms")
    latencies.set_xlabel("seconds from the start, by the intended moment")
    _scaled(latencies, [point for points in values.values() for point in points if point])
    for axes in (rates, latencies):
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()


def _latency(figure: Any, report: LoadReport) -> None:
    axes = figure.subplots()
    own = HdrHistogram.decode(report.hdr)
    if own.get_total_count():
        shown = [percent for percent in PERCENTS if own.get_total_count() * (1 - percent / 100) >= 1]
        points = [own.get_value_at_percentile(percent) / 1e3 for percent in shown]
        axes.plot([1 / (1 - percent / 100) for percent in shown], points, marker="o", markersize=3)
        axes.set_xscale("log")
        axes.set_xticks([1, 2, 10, 20, 100, 1_000, 10_000], ["0", "50", "90", "95", "99", "99.9", "99.99"])
        axes.minorticks_off()
        _scaled(axes, points)
    for goal in report.goals:
        axes.axhline(goal.limit_ms, color="grey", linewidth=1, linestyle="--")
        axes.annotate(goal.goal, (1, goal.limit_ms), textcoords="offset points", xytext=(2, 3), color="grey")
    axes.set_xlabel("percentile of the jobs that succeeded")
    axes.set_ylabel("latency, ms")
    axes.grid(visible=True, alpha=0.3)


def _scaled(axes: Any, points: Sequence[float]) -> None:
    above = [point for point in points if point > 0]
    if above and max(above) > WIDE * min(above):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0.0)


def percentile_ms(one: LoadSlice, percent: float) -> float | None:
    """Return a percentile of a slice; None where nothing was measured."""
    rank = max(1, ceil(percent * sum(one.latencies_us.values()) / 100))
    below = accumulate(count for _, count in sorted(one.latencies_us.items()))
    return next(
        (v / 1e3 for v, upto in zip(sorted(one.latencies_us), below, strict=True) if upto >= rank), None
    )

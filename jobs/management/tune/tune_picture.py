"""Draws the Pareto front of throughput against latency to a PNG, without a display."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Any

from jobs.core.tuning.evaluation import Estimated
from jobs.core.tuning.setting_space import TunedSetting
from jobs.core.tuning.tune_report import Foretold, TuneReport

WIDE = 20.0  # a wider ratio of latencies is drawn on a logarithmic scale


def draw_front(report: TuneReport, curves: Sequence[Estimated], path: Path) -> None:
    """Write the front, the curves of the settings near the best, the goal and the chosen point to `path`."""
    from matplotlib.figure import Figure  # the import takes half a second, which only a picture needs

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    _curves(axes, curves)
    points = [(one.rate_per_s, one.upper_ms) for one in report.front if one.upper_ms is not None]
    axes.plot(*zip(*points, strict=True), color="black", linewidth=2, label="front")
    axes.axhline(report.limit_ms, color="grey", linestyle="--", linewidth=1, label=report.goal)
    _mark(axes, report.highest, "^", "at the highest rate")
    if report.rate_per_s is not None:
        _mark(axes, report.asked, "o", "at the given rate")
    shown = [upper_ms for _, upper_ms in points]
    if max(shown) > WIDE * min(shown):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0.0)
    axes.set_xlim(left=0.0)
    axes.set_xlabel(f"jobs a second of {workers_of(report)}")
    axes.set_ylabel(f"{report.goal.partition('=')[0]}, upper 95 % bound, ms")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, format="png", dpi=110)


def _curves(axes: Any, curves: Sequence[Estimated]) -> None:
    usable = sorted(
        (one for one in curves if isfinite(one.upper_s)),
        key=lambda one: (one.question.setting, one.question.rate_per_s),
    )
    for setting, answers in groupby(usable, key=lambda one: one.question.setting):
        points = [(one.question.rate_per_s, one.upper_s * 1e3) for one in answers]
        axes.plot(*zip(*points, strict=True), marker=".", alpha=0.6, linewidth=1, label=words_of(setting))


def _mark(axes: Any, point: Foretold | None, mark: str, label: str) -> None:
    if point is not None and point.upper_ms is not None:
        look = {"marker": mark, "color": "black", "markersize": 9, "linestyle": "none"}
        axes.plot([point.rate_per_s], [point.upper_ms], label=label, **look)


def workers_of(report: TuneReport) -> str:
    """Return the number of workers in words."""
    return f"{report.workers} worker{'s' if report.workers > 1 else ''}"


def words_of(setting: TunedSetting) -> str:
    """Return a setting in a few words; what is left to the product is not named."""
    words = [f"batch {setting.max_batch}", f"lanes {setting.lanes}"]
    others = {"padded": setting.max_padded_size, "prefetch": setting.prefetch, "depth": setting.depth}
    return ", ".join([*words, *(f"{name} {value:,}" for name, value in others.items() if value)])

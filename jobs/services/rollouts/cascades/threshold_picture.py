"""Draws the curve over the threshold: how many jobs go on, what they cost, how right they are.

What differs, differs by dashes and marks, so that the picture reads the same in grey.
"""

from __future__ import annotations

from io import BytesIO
from threading import Lock
from typing import Any, Literal

from jobs.core.cascades.cascade_report import CascadeReport

_SETTINGS = Lock()  # matplotlib's settings are those of the whole process
PER_CENT = 100


def curve_picture(report: CascadeReport, form: Literal["png", "svg"]) -> bytes:
    """Return the curve of a report with jobs as PNG, or as SVG with its text as text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure  # half a second, which only a picture needs

    rated = any(point.accuracy_low is not None for point in report.curve)
    figure = Figure(figsize=(7, 6.2 if rated else 3.6), layout="constrained", facecolor="white")
    panels = figure.subplots(2 if rated else 1, sharex=True, squeeze=False)[:, 0]
    _draw_cost(panels[0], report)
    if rated:
        _draw_accuracy(panels[1], report)
    panels[-1].set_xlabel("threshold: a confidence below it goes on")
    image = BytesIO()
    with _SETTINGS, mpl.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(image, format=form, dpi=110, metadata={"Date": None} if form == "svg" else {})
    return image.getvalue()


def _draw_cost(axes: Any, report: CascadeReport) -> None:
    at = [point.below for point in report.curve]
    shares = [PER_CENT * point.escalated_share for point in report.curve]
    axes.plot(at, shares, "-", color="black", label="jobs that go on, %")
    axes.set_ylabel("jobs that go on, %")
    axes.set_ylim(bottom=0)
    beside = axes.twinx()
    costs = [1e3 * (point.device_s_per_job or 0.0) for point in report.curve]
    beside.plot(at, costs, "--", color="0.4", label="device time a job, ms")
    beside.set_ylabel("device time a job, ms")
    beside.set_ylim(bottom=0)
    _mark(axes, report.threshold)
    lines = [*axes.get_lines()[:1], *beside.get_lines()[:1]]
    axes.legend(lines, [line.get_label() for line in lines], loc="upper left")


def _draw_accuracy(axes: Any, report: CascadeReport) -> None:
    points = [
        (point.below, PER_CENT * point.accuracy_low, PER_CENT * point.accuracy_high)
        for point in report.curve
        if point.accuracy_low is not None and point.accuracy_high is not None
    ]
    at, lows, highs = zip(*points, strict=True)
    axes.fill_between(
        at, lows, highs, facecolor="none", edgecolor="0.5", hatch="////", linewidth=0.5, label="not known"
    )
    axes.plot(at, lows, "-", color="black", label="right for sure")
    axes.set_ylabel("right answers, %")
    axes.set_ylim(max(0.0, min(lows) - 5.0) if min(lows) > PER_CENT / 2 else 0.0, 100.5)
    _mark(axes, report.threshold)
    axes.legend(loc="lower right")


def _mark(axes: Any, threshold: float) -> None:
    axes.axvline(threshold, color="0.3", linestyle=":", linewidth=1.5)
    axes.annotate(
        f"in force: {threshold:g}", (threshold, 1), xycoords=("data", "axes fraction"), ha="right", va="top",
        fontsize=8, rotation=90,
    )  # fmt: skip
    axes.grid(visible=True, color="0.85")

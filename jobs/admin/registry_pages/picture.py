"""Draws service times by batch size."""

from __future__ import annotations

from jobs.admin.drawing import new_figure, svg_of
from jobs.admin.registry_pages.service_times import BatchRun, Line

POINTS = 400  # drawn: more would hide each other


def drawn(runs: list[BatchRun], line: Line | None) -> bytes:
    """Return the picture as SVG."""
    from matplotlib.ticker import MaxNLocator

    sizes = [run.size for run in runs]
    figure, axes = new_figure()
    shown = runs[:POINTS]
    points = [run.size for run in shown], [run.ran_s * 1e3 for run in shown]
    axes.plot(*points, "o", color="0.45", alpha=0.5, markersize=4, label="a batch")
    if line is not None:
        ends = [min(sizes), max(sizes)]
        axes.plot(ends, [line.seconds(size) * 1e3 for size in ends], "--", color="black", label="fitted line")
    axes.set_xlabel("jobs in the batch")
    axes.set_ylabel("service time, ms")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left")
    return svg_of(figure)

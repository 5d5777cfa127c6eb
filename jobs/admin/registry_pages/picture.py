"""Draws service times by batch size as SVG, without a display; it reads the same in grey."""

from __future__ import annotations

from io import BytesIO

from jobs.admin.registry_pages.service_times import BatchRun, Line

POINTS = 400  # drawn: more would hide each other


def drawn(runs: list[BatchRun], line: Line | None) -> bytes:
    """Return the picture."""
    import matplotlib as mpl  # half a second, which only a picture needs
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    sizes = [run.size for run in runs]
    figure = Figure(figsize=(7, 3.6), layout="constrained", facecolor="white")
    axes = figure.subplots()
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
    axes.grid(visible=True, color="0.85")
    axes.legend(loc="upper left")
    image = BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()

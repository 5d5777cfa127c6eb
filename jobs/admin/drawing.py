"""Figures as SVG, drawn without a display; they read the same in grey."""

from __future__ import annotations

from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = "0.85"
_SETTINGS = Lock()  # matplotlib's settings are those of the whole process


def new_figure(*, height: float = 3.6) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes and a grid, 7 by `height` inches."""
    from matplotlib.figure import Figure  # half a second, which only a picture needs

    figure = Figure(figsize=(7, height), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.grid(visible=True, color=GRID)
    return figure, axes


def svg_of(figure: Figure) -> bytes:
    """Return a figure as SVG with its text as text."""
    import matplotlib as mpl

    image = BytesIO()
    with _SETTINGS, mpl.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()

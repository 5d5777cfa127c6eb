"""Draws a backtest to PNGs, without a display; they read the same in grey."""

from __future__ import annotations

from io import BytesIO
from typing import Any

DARK, SHORT_CHARS = 0.5, 3
MOST_DRAWN = 30  # labels: more could not be read


def times_picture(rows: list[dict[str, Any]]) -> bytes:
    """Return the service time of a batch against its size, of both versions where there are two."""
    figure = _figure(7, 3.6)
    axes = figure.subplots()
    sizes = [row["size"] for row in rows]
    axes.plot(sizes, [row["candidate_s"] * 1e3 for row in rows], "o-", color="black", label="the version")
    compared = [(row["size"], row["stable_s"] * 1e3) for row in rows if row["stable_s"] is not None]
    if compared:
        axes.plot(*zip(*compared, strict=True), "s--", color="0.5", label="compared with")
    axes.set_xlabel("jobs in the batch")
    axes.set_ylabel("median service time, ms")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, color="0.85")
    axes.legend(loc="upper left")
    return _png(figure)


def labels_picture(matrix: dict[str, Any], *, right: str) -> bytes | None:
    """Return a matrix of labels, each row in parts of its jobs; None where it has too many to be read."""
    labels = matrix["labels"]
    if len(labels) > MOST_DRAWN:
        return None
    side = 2.2 + 0.38 * len(labels)
    figure = _figure(side + 0.6, side)
    axes = figure.subplots()
    shares = [[cell / max(1, sum(row)) for cell in row] for row in matrix["rows"]]
    axes.imshow(shares, cmap="Greys", vmin=0.0, vmax=1.0)
    # A label is what a model answered, such as `$^$`: no formula.
    axes.set_xticks(range(len(labels)), labels, rotation=0 if _are_short(labels) else 90, parse_math=False)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.set_xlabel("label that the version answers")
    axes.set_ylabel(right)
    for at, row in enumerate(matrix["rows"]):
        for place, cell in enumerate(row):
            if cell:
                color = "white" if shares[at][place] > DARK else "black"
                axes.text(place, at, str(cell), ha="center", va="center", color=color, fontsize=8)
    return _png(figure)


def _are_short(labels: list[str]) -> bool:
    return max(map(len, labels), default=0) <= SHORT_CHARS


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # half a second, which only a picture needs

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _png(figure: Any) -> bytes:
    image = BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return image.getvalue()

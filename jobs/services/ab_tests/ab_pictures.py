"""Draws the report of an A/B test, without a display; what differs, differs by marks and not by colour."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from jobs.core.ab_tests.ab_report import AbReport, ArmDifference, ArmReport

MOST_PICTURES = 6  # of names of feedback


def ab_pictures(report: AbReport, *, kind: str = "png") -> dict[str, bytes]:
    """Return the pictures of a report by name: `exposed`, `errors` and `feedback 1` and so on."""
    pictures = {"exposed": exposed_picture(report.arms, kind=kind)} if _has_keys(report) else {}
    errors = [(arm.version, arm.error_difference) for arm in report.arms]
    named = [
        (f"feedback {n}", row.name, row.arms) for n, row in enumerate(report.feedback[:MOST_PICTURES], 1)
    ]
    rows = [("errors", "error rate", errors)]
    rows += [(place, name, [(arm.version, arm.difference) for arm in arms]) for place, name, arms in named]
    for place, name, differences in rows:
        picture = difference_picture(name, report.reference, differences, valid=report.valid, kind=kind)
        if picture is not None:
            pictures[place] = picture
    return pictures


def exposed_picture(arms: Sequence[ArmReport], *, kind: str = "png") -> bytes:
    """Return the keys of each arm, beside how many its share stands for."""
    figure, axes = _figure(1.5 + 0.5 * len(arms))
    total, shares = sum(arm.keys for arm in arms), sum(arm.share for arm in arms) or 1.0
    places = range(len(arms))
    axes.barh(places, [arm.keys for arm in arms], height=0.5, color="0.6", edgecolor="black", label="got")
    expected = [total * arm.share / shares for arm in arms]
    axes.plot(expected, places, "D", color="black", markerfacecolor="white", label="by its share")
    axes.set_yticks(places, [f"version {arm.version}" for arm in arms], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("sticky keys")
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    return _image(figure, kind)


def difference_picture(
    name: str,
    reference: str,
    rows: Sequence[tuple[str, ArmDifference | None]],
    *,
    valid: bool,
    kind: str = "png",
) -> bytes | None:
    """Return how far each arm's mean is from the reference's, with bounds; None where none has any."""
    shown = [(version, found) for version, found in rows if found is not None]
    if not shown:
        return None
    figure, axes = _figure(1.3 + 0.5 * len(shown))
    for place, (_, found) in enumerate(shown):
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], "|-", color="black", linewidth=1.8)
        face = "black" if found.certain else "white"
        axes.plot([found.difference], [place], "o", color="black", markerfacecolor=face, markersize=8)
    axes.axvline(0.0, color="0.4", linestyle="--", linewidth=1.0)
    axes.set_yticks(range(len(shown)), [f"version {version}" for version, _ in shown], parse_math=False)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel(
        f"{name}: difference to version {reference}; filled where it is certain", parse_math=False
    )
    if not valid:
        axes.set_title("INVALID: this says nothing about the versions", fontsize=10, fontweight="bold")
    return _image(figure, kind)


def _has_keys(report: AbReport) -> bool:
    return any(arm.keys for arm in report.arms)


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # half a second, which only a picture needs

    figure = Figure(figsize=(7, height), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.grid(visible=True, color="0.85")
    axes.set_axisbelow(True)
    return figure, axes


def _image(figure: Any, kind: str) -> bytes:
    image = BytesIO()
    figure.savefig(image, format=kind, dpi=110)
    return image.getvalue()

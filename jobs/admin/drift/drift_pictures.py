"""Draws a field's index and distance by the hour, against what alarms; it reads the same in grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobs.admin.drawing import GRID, svg_of
from jobs.core.drift.drift_alarm import PSI_ALARM
from jobs.services.drift.reads import HourView, finding_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PSI = 2.0  # what lies beyond is drawn at the edge
_LINE: dict[str, Any] = {"linestyle": "-", "color": "black", "linewidth": 1.6}
_BOUND: dict[str, Any] = {"linestyle": "--", "color": "0.45", "linewidth": 1.4}


def hours_drawn(hours: Sequence[HourView]) -> bytes:
    """Return the stability index and the distance of the compared hours, each with its bound."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.4), layout="constrained", facecolor="white")
    index, distance = figure.subplots(2, 1, sharex=True)
    compared = [(hour, finding) for hour in hours if (finding := finding_of(hour)) is not None]
    times = [_days(hour) for hour, _ in compared]
    index.plot(times, [min(finding.psi, MOST_PSI) for _, finding in compared], marker=".", **_LINE)
    index.axhline(PSI_ALARM, label=f"{PSI_ALARM:g}", **_BOUND)
    index.set_ylabel("stability index")
    distance.plot(times, [found.distance for _, found in compared], marker=".", label="distance", **_LINE)
    distance.plot(times, [found.bound for _, found in compared], label="what is no drift", **_BOUND)
    _mark(distance, [(hour, found.distance) for hour, found in compared if hour.exceeds])
    distance.set_ylabel("distance of the shares")
    for axes in (index, distance):
        axes.grid(visible=True, color=GRID)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left", fontsize=8)
    _time_axis(distance)
    return svg_of(figure)


def _mark(axes: Axes, beyond: Sequence[tuple[HourView, float]]) -> None:
    if beyond:
        times, distances = [_days(hour) for hour, _ in beyond], [distance for _, distance in beyond]
        axes.plot(times, distances, "o", color="black", markerfacecolor="white", label="both are beyond")


def _days(hour: HourView) -> float:
    """Return when it began in matplotlib's unit, days since 1970."""
    return hour.hour.timestamp() / 86_400


def _time_axis(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]  # matplotlib has no types here
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]  # see above
    axes.set_xlabel("UTC")

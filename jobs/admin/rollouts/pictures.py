"""Draws a roll-out's curves: the shares, the evidence, the error rates, and the latencies of both arms.

What differs, differs by dashes and marks, so that the pictures read the same in grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.admin.drawing import new_figure, svg_of
from jobs.admin.rollouts.curve_points import CurvePoint
from models_registry.core.rollouts.judging.findings import (
    ALPHA_FAILURES,
    ALPHA_OTHERS,
    SUSPICIOUS_E,
    RolloutTest,
)
from models_registry.core.rollouts.judging.progress_words import TEST_WORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_E, MOST_E = 1e-3, 1e6  # what lies beyond is drawn at the edge
CANDIDATE: dict[str, Any] = {"linestyle": "-", "color": "black", "linewidth": 1.8}
STABLE: dict[str, Any] = {"linestyle": "--", "color": "0.4", "linewidth": 1.8}
_STYLES: tuple[dict[str, Any], ...] = (
    {"linestyle": "-", "color": "black", "linewidth": 2.0},
    {"linestyle": "--", "color": "0.25"},
    {"linestyle": ":", "color": "0.25", "linewidth": 2.0},
    {"linestyle": "-.", "color": "0.25"},
    {"linestyle": "-", "color": "0.6"},
    {"linestyle": "--", "color": "0.6"},
)


def shares_drawn(points: Sequence[CurvePoint]) -> bytes:
    """Return the candidate's share over time, with the acts of people and of the judge as marks."""
    figure, axes = new_figure(height=3.0)
    times = [_days(point) for point in points]
    axes.step(times, [point.share_ppm / 10_000 for point in points], where="post", **CANDIDATE)
    acts = [point for point in points if point.act]
    axes.plot(
        [_days(point) for point in acts], [point.share_ppm / 10_000 for point in acts],
        "o", color="black", markerfacecolor="white", label="an act",
    )  # fmt: skip
    axes.set_ylabel("share of the candidate, %")
    most = max(point.share_ppm for point in points) / 10_000
    axes.set_ylim(-0.03 * most, min(103.0, max(1.2 * most, 2.0)))
    if acts:
        axes.legend(loc="upper left")
    _time_axis(axes)
    return svg_of(figure)


def evidence_drawn(points: Sequence[CurvePoint]) -> bytes:
    """Return the e-value of each test over time, on a logarithmic scale, with the bounds."""
    figure, axes = new_figure()
    for test, style in zip(RolloutTest, _STYLES, strict=True):
        seen = [
            (_days(point), point.numbers[f"e_{test}"]) for point in points if f"e_{test}" in point.numbers
        ]
        if seen:
            values = [min(max(e, LEAST_E), MOST_E) for _, e in seen]
            axes.plot([at for at, _ in seen], values, label=TEST_WORDS[test], **style)
    bounds = ((1 / ALPHA_FAILURES, "failures roll back"), (1 / ALPHA_OTHERS, "the others roll back"))
    for bound, words in (*bounds, (SUSPICIOUS_E, "suspicious")):
        axes.axhline(bound, color="0.5", linewidth=0.8)
        text = f"{words} at {bound:,.0f}"
        axes.annotate(
            text, (1, bound), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8
        )
    axes.set_yscale("log")
    axes.set_ylabel("e-value")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", fontsize=8)
    _time_axis(axes)
    return svg_of(figure)


def errors_drawn(points: Sequence[CurvePoint]) -> bytes:
    """Return the error rates of both versions over time, each with its 95 % interval."""
    figure, axes = new_figure()
    _band(axes, points, "", "candidate", {**CANDIDATE, "hatch": "////"})
    _band(axes, points, "_stable", "stable", {**STABLE, "hatch": "...."})
    axes.set_ylabel("keys that failed, %")
    axes.set_ylim(0, _most_rate(points))
    axes.legend(loc="upper left")
    _time_axis(axes)
    return svg_of(figure)


def _most_rate(points: Sequence[CurvePoint]) -> float:
    """Return the top of the axis in per cent: the first intervals are wide, and would flatten all others."""
    rates = [rate for point in points for arm in ("", "_stable") if (rate := point.rate(arm))]
    ends = [rate.interval[1] for rate in rates[-2:]]
    return min(105.0, 130.0 * max([rate.rate for rate in rates] + ends, default=0.0) or 1.0)


def _band(axes: Axes, points: Sequence[CurvePoint], arm: str, label: str, style: dict[str, Any]) -> None:
    seen = [(_days(point), rate) for point in points if (rate := point.rate(arm))]
    hatch = style.pop("hatch")
    times = [at for at, _ in seen]
    lows, highs = ([rate.interval[end] * 100 for _, rate in seen] for end in (0, 1))
    axes.fill_between(
        times, lows, highs, facecolor="none", edgecolor=style["color"], hatch=hatch, alpha=0.35, linewidth=0.5
    )
    axes.plot(times, [rate.rate * 100 for _, rate in seen], label=label, **style)


def latencies_drawn(seconds: Mapping[str, Sequence[float]]) -> bytes:
    """Return for each arm the part of its jobs that was answered within a time, as a curve over the time."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure, axes = new_figure()
    for (arm, values), style in zip(seconds.items(), (CANDIDATE, STABLE), strict=False):
        ordered = sorted(max(value, 1e-4) for value in values)
        parts = [100 * (place + 1) / len(ordered) for place in range(len(ordered))]
        label = f"{arm}, {len(ordered):,} jobs"
        axes.step(ordered, parts, where="post", label=label, **style)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("seconds from admission to the result")
    axes.set_ylabel("jobs answered by then, %")
    axes.set_ylim(0, 103)
    axes.legend(loc="lower right")
    return svg_of(figure)


def _days(point: CurvePoint) -> float:
    """Return when it was in matplotlib's unit, days since 1970."""
    return point.at.timestamp() / 86_400


def _time_axis(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]  # matplotlib has no types here
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]  # see above
    axes.set_xlabel("UTC")

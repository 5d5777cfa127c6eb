"""Draws the workers of a plan by hour to a PNG, without a display."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from jobs.core.planning.plan_report import FleetPlan, GroupPlan


def draw_plan(plan: FleetPlan, path: Path) -> None:
    """Write a panel for each group: workers by hour, stacked by kind and zone, and arrivals as a line."""
    from matplotlib.figure import Figure  # the import takes half a second, which only a picture needs

    count = len(plan.groups)
    figure = Figure(figsize=(9, 1.0 + 2.8 * count), layout="constrained")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)
    for axes, group in zip(panels[:, 0], plan.groups, strict=True):
        below = [0] * plan.hours
        for place, workers in _by_place(group, plan.hours).items():
            axes.bar(range(plan.hours), workers, bottom=below, label=place, width=0.9)
            below = [low + more for low, more in zip(below, workers, strict=True)]
        axes.set_title(" + ".join(group.models), loc="left", fontsize=10)
        axes.set_ylabel("workers")
        axes.legend(fontsize=7, loc="upper left")
        rates = axes.twinx()
        rates.plot([sum(one.peak_per_s.values()) for one in group.hours], color="black", linewidth=1)
        rates.set_ylim(bottom=0.0)
        rates.set_ylabel("jobs/s at the peak")
    panels[-1, 0].set_xlabel("hour")
    # Without a date and a version the same plan is the same file.
    figure.savefig(path, format="png", dpi=120, metadata={"Software": None})


def _by_place(group: GroupPlan, hours: int) -> dict[str, list[int]]:
    counts = Counter[tuple[str, int]]()
    for one in group.hours:
        for own in one.workers:
            counts[f"{own.device} in {own.zone}", one.hour] += own.workers
    places = sorted({place for place, _ in counts})
    return {place: [counts[place, hour] for hour in range(hours)] for place in places}

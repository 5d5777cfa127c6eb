"""Writes a plan as JSON and as a chart, and prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from jobs.core.planning.plan_report import CriticalMinutes, FleetPlan, GroupPlan, HourPlan
from jobs.management.plan.plan_chart import draw_plan

DOCUMENT, CHART = "plan.json", "plan.png"
WIDTH = 110


def write_plan(plan: FleetPlan, folder: Path) -> None:
    """Write `plan.json` and `plan.png` into a folder, which is made where it is missing; OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DOCUMENT).write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=1) + b"\n")
    draw_plan(plan, folder / CHART)


def show_plan(plan: FleetPlan, console: Console) -> None:
    """Print workers by hour, the simulated minutes, the parts, and the verdict as the last line."""
    for group in plan.groups:
        console.print(_hours(group))
        for line in _group_lines(plan, group):
            console.print(line, highlight=False, soft_wrap=True)
    console.print(_critical(plan))
    console.print(_parts(plan))
    for line in _lines(plan):
        console.print(line, highlight=False, soft_wrap=True)


def _hours(group: GroupPlan) -> Table:
    """Return a row for each run of hours with the same workers: the busiest of them is shown."""
    title = f"{' + '.join(group.models)}: workers by hour"
    table = Table(
        "hours", "peak/s", "workers", "by kind and zone", "load", "after loss", "p95 ms", "after loss",
        title=title, title_justify="left",
    )  # fmt: skip
    for first, last, busiest in _stretches(group.hours):
        table.add_row(
            str(first) if first == last else f"{first}-{last}",
            _by_model(busiest.peak_per_s),
            str(busiest.total),
            _places(busiest),
            f"{busiest.load:.0%}",
            f"{busiest.load_after_loss:.0%}",
            _by_model(busiest.p95_ms),
            _by_model(busiest.p95_after_loss_ms),
        )
    return table


def _stretches(hours: Sequence[HourPlan]) -> Iterator[tuple[int, int, HourPlan]]:
    first = 0
    for hour in range(1, len(hours) + 1):
        if hour == len(hours) or hours[hour].workers != hours[first].workers:
            yield first, hour - 1, max(hours[first:hour], key=lambda one: one.load)
            first = hour


def _places(hour: HourPlan) -> str:
    by_kind: dict[str, list[str]] = {}
    for one in hour.workers:
        by_kind.setdefault(one.device, []).append(f"{one.zone} {one.workers}")
    return "; ".join(f"{kind}: {', '.join(zones)}" for kind, zones in by_kind.items()) or "none"


def _by_model(values: dict[str, float]) -> str:
    return " / ".join(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values.values())  # noqa: PLR2004  # three digits


def _group_lines(plan: FleetPlan, group: GroupPlan) -> Iterator[str]:
    goals = ", ".join(f"{name} {plan.goals_ms[name]:g} ms" for name in group.models)
    yield f"p95 goal: {goals}. Own workers or shared: {group.why}."
    yield f"cost: {group.cost:,.2f}, and {group.start_cost:,.2f} while devices start\n"


def _critical(plan: FleetPlan) -> Table:
    table = Table(
        "models", "hour", "kind", "workers", "simulated", "jobs", "foretold", "seen", "goal", "raised",
        title="the critical minutes, simulated: p95 in ms", title_justify="left",
    )  # fmt: skip
    for one in plan.critical:
        table.add_row(*_critical_cells(one))
    return table


def _critical_cells(one: CriticalMinutes) -> list[str]:
    return [
        " + ".join(one.models),
        f"{one.hour}{', zone lost' if one.after_loss else ''}",
        one.device,
        str(one.workers),
        str(one.simulated_workers),
        f"{one.jobs:,}",
        _by_model(one.foretold_ms),
        _by_model(one.simulated_ms),
        "met" if one.met else "missed",
        f"+{one.raised:.0%}" if one.raised else "-",
    ]


def _parts(plan: FleetPlan) -> Table:
    table = Table(
        "part", "can do /s", "at its peak /s", "hour", "load", "capacity by",
        title="what is full first", title_justify="left",
    )  # fmt: skip
    for part in plan.parts:
        source = "this plan" if part.name == "device" else "the file" if part.stated else "docs/benchmarks.md"
        table.add_row(
            part.name,
            f"{part.capacity_per_s:,.0f}",
            f"{part.peak_per_s:,.0f}",
            str(part.hour),
            f"{part.load:.0%}",
            source,
        )
    return table


def _lines(plan: FleetPlan) -> Iterator[str]:
    hours = ", ".join(f"{kind} {hours:,.0f}" for kind, hours in plan.device_hours.items())
    yield f"device hours: {hours}; cost {plan.cost:,.2f} + {plan.start_cost:,.2f} for starts"
    yield f"full first: {plan.saturates_first}"
    yield f"{plan.verdict}{': ' if plan.reasons else ''}{'; '.join(plan.reasons)}"

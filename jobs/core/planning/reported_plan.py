"""Makes the report of a plan from the workers of all groups and hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from jobs.core.planning.group_day import GroupDay, start_cost_of
from jobs.core.planning.part_load import part_loads
from jobs.core.planning.plan_file import PlanInput
from jobs.core.planning.plan_report import (
    FORMAT,
    CriticalMinutes,
    FleetPlan,
    GroupPlan,
    HourPlan,
    PartLoad,
    PlannedWorkers,
    PlanVerdict,
)
from jobs.core.planning.sharing import why_grouped
from jobs.core.planning.worker_need import ForetoldLoad, WorkerNeeds
from jobs.core.planning.zone_spread import left_after


def reported(
    plan: PlanInput,
    needs: WorkerNeeds,
    days: Sequence[GroupDay],
    critical: Sequence[CriticalMinutes],
    *,
    small: Collection[str],
) -> FleetPlan:
    """Return the report; `small` are the models that were tried on shared workers."""
    groups = [_group(plan, needs, day, small=set(day.group) <= set(small)) for day in days]
    load, hour = max((one.load, -one.hour) for group in groups for one in group.hours)
    parts = part_loads(plan, load, -hour)
    verdict, reasons = _verdict(parts, critical)
    return FleetPlan(
        format=FORMAT,
        verdict=verdict,
        reasons=reasons,
        seed=plan.seed,
        hours=plan.hours,
        zones=list(plan.zones),
        survive_zones=plan.survive_zones,
        goals_ms={name: round(model.p95_goal_s * 1e3, 3) for name, model in plan.models.items()},
        groups=groups,
        cost=round(sum(group.cost for group in groups), 2),
        start_cost=round(sum(group.start_cost for group in groups), 2),
        device_hours=_device_hours(days),
        saturates_first=parts[0].name,
        parts=parts,
        critical=list(critical),
    )


def _group(plan: PlanInput, needs: WorkerNeeds, day: GroupDay, *, small: bool) -> GroupPlan:
    return GroupPlan(
        models=list(day.group),
        why=why_grouped(plan, day.group, small=small),
        cost=round(day.cost, 2),
        start_cost=round(start_cost_of(plan, day), 2),
        hours=[_hour(plan, needs, day, hour) for hour in range(plan.hours)],
    )


def _hour(plan: PlanInput, needs: WorkerNeeds, day: GroupDay, hour: int) -> HourPlan:
    spread = day.hours[hour]
    rates = {name: plan.rates[name][hour] * plan.models[name].peak for name in day.group}
    whole = _foretold(needs, rates, left_after(spread, 0))
    lost = _foretold(needs, rates, left_after(spread, plan.survive_zones))
    workers = [
        PlannedWorkers(device=kind, zone=zone, workers=count)
        for (kind, zone), count in sorted(spread.items())
    ]
    return HourPlan(
        hour=hour,
        peak_per_s={name: round(rate, 6) for name, rate in rates.items()},
        workers=workers,
        total=day.total(hour),
        load=round(whole.load, 4),
        load_after_loss=round(lost.load, 4),
        p95_ms={name: round(p95_s * 1e3, 3) for name, p95_s in whole.p95_s.items()},
        p95_after_loss_ms={name: round(p95_s * 1e3, 3) for name, p95_s in lost.p95_s.items()},
    )


def _foretold(needs: WorkerNeeds, rates: Mapping[str, float], left: Mapping[str, int]) -> ForetoldLoad:
    """Return the largest load and p95 of any kind: each worker has the same share, so the slowest counts."""
    workers = sum(left.values())
    if not workers:
        return ForetoldLoad(0.0, dict.fromkeys(rates, 0.0))
    by_kind = [needs.foretell(kind, rates, workers) for kind in left]
    p95_s = {name: max(one.p95_s[name] for one in by_kind) for name in rates}
    return ForetoldLoad(max(one.load for one in by_kind), p95_s)


def _device_hours(days: Sequence[GroupDay]) -> dict[str, float]:
    hours = defaultdict[str, float](float)
    for day in days:
        for spread in day.hours:
            for (kind, _), workers in spread.items():
                hours[kind] += workers
    return dict(sorted(hours.items()))


def _verdict(parts: Sequence[PartLoad], critical: Sequence[CriticalMinutes]) -> tuple[PlanVerdict, list[str]]:
    missed = [
        f"{' and '.join(one.models)} misses its goal in the simulation of hour {one.hour}"
        f"{' after the loss' if one.after_loss else ''}"
        for one in critical
        if not one.met
    ]
    full = [
        f"{part.name} can do {part.capacity_per_s:,.0f} jobs/s, hour {part.hour} has {part.peak_per_s:,.0f}"
        for part in parts
        if part.load > 1.0
    ]
    verdict: PlanVerdict = "missed" if missed else "part_full" if full else "holds"
    return verdict, missed + full

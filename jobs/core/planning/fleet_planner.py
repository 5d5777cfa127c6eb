"""Plans a fleet: flows first, then the critical minutes in the simulator.

Four steps. The flows give the fewest workers by hour, model and kind (`worker_need`), and those the cheapest
places (`zone_spread`, `hour_allocation`). Small models are then tried on shared workers (`sharing`). Last,
the hours that decide are simulated with the product's own policy (`critical_minutes`). Where that misses a
goal, the group is planned for more arrivals in all hours, until it meets the goal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobs.core.planning.batch_recursion import BatchRecursion, ChanceOf
from jobs.core.planning.critical_checks import CriticalChecks
from jobs.core.planning.group_day import GroupDay, start_cost_of
from jobs.core.planning.hour_allocation import Allocator, InfeasiblePlanError
from jobs.core.planning.plan_file import PlanInput
from jobs.core.planning.plan_reader import PlanFileError
from jobs.core.planning.plan_report import FleetPlan
from jobs.core.planning.reported_plan import reported
from jobs.core.planning.sharing import MOST_SHARERS, Group, kinds_of, partitions
from jobs.core.planning.worker_need import WorkerNeeds
from jobs.core.planning.zone_spread import Spread

SMALL_WORKERS = 3  # in a zone; a model on more saves nothing that counts by sharing


@dataclass(slots=True)
class _Day:
    """The workers of all groups by hour, and what they cost."""

    groups: Sequence[Group]
    hours: list[Mapping[Group, Spread]] = field(default_factory=list)


def plan_fleet(plan: PlanInput, chance_of: ChanceOf) -> FleetPlan:
    """Return the plan; PlanFileError where no device can hold a model, InfeasiblePlanError."""
    for name in plan.models:
        if not kinds_of(plan, (name,)):
            raise PlanFileError(
                f"The field models.{name}.memory_gib is {plan.models[name].memory_gib:g}: no device that may"
                f" serve it has so much."
            )
    needs = WorkerNeeds(plan, BatchRecursion(chance_of, plan.seed, plan.overheads))
    allocator = Allocator(plan, needs)
    alone = _day(allocator, [(name,) for name in plan.models])
    small = _small(plan, alone)
    groups = _cheapest_groups(allocator, alone, small)
    checks = CriticalChecks(plan, allocator, chance_of)
    day = _day(allocator, groups)
    while checks.run(days := _group_days(plan, day)):
        day = _day(allocator, groups)
    return reported(plan, needs, days, checks.results, small={group[0] for group in small})


def _day(allocator: Allocator, groups: Sequence[Group]) -> _Day:
    hours = range(allocator.plan.hours)
    return _Day(groups, [allocator.allocate(groups, hour) for hour in hours])


def _group_days(plan: PlanInput, day: _Day) -> list[GroupDay]:
    return [GroupDay(plan, group, [hour[group] for hour in day.hours]) for group in day.groups]


def _small(plan: PlanInput, alone: _Day) -> list[Group]:
    """Return the models that might gain by sharing, the smallest first."""
    most = SMALL_WORKERS * len(plan.zones)
    peak = {group: max(sum(hour[group].values()) for hour in alone.hours) for group in alone.groups}
    return sorted((group for group in alone.groups if peak[group] <= most), key=lambda g: (peak[g], g))


def _cheapest_groups(allocator: Allocator, alone: _Day, small: Sequence[Group]) -> list[Group]:
    """Return the groups whose day costs least; where a goal cannot be met beside a model they stay apart."""
    sharers = [group[0] for group in small[:MOST_SHARERS]]
    others = [group for group in alone.groups if group[0] not in sharers]
    best, best_cost = list(alone.groups), _cost(allocator.plan, alone)
    for divided in partitions(sharers):
        groups = sorted([*divided, *others], key=lambda group: list(allocator.plan.models).index(group[0]))
        if len(groups) == len(alone.groups) or not all(kinds_of(allocator.plan, group) for group in groups):
            continue
        try:
            cost = _cost(allocator.plan, _day(allocator, groups))
        except InfeasiblePlanError:
            continue
        if cost < best_cost:
            best, best_cost = groups, cost
    return best


def _cost(plan: PlanInput, day: _Day) -> float:
    return sum(one.cost + start_cost_of(plan, one) for one in _group_days(plan, day))

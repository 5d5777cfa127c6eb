"""A group's workers by hour: what they cost, and when devices start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.core.planning.plan_file import PlanInput
from jobs.core.planning.sharing import Group
from jobs.core.planning.zone_spread import Spread


@dataclass(frozen=True, slots=True)
class GroupDay:
    """The workers of a group, by hour."""

    plan: PlanInput
    group: Group
    hours: Sequence[Spread]

    @property
    def cost(self) -> float:
        """Return what the workers cost in their hours."""
        devices = self.plan.devices
        return sum(devices[kind].price_per_h * n for hour in self.hours for (kind, _), n in hour.items())

    def total(self, hour: int) -> int:
        """Return all workers of an hour."""
        return sum(self.hours[hour].values())


def start_cost_of(plan: PlanInput, day: GroupDay) -> float:
    """Return what devices cost from their start until they serve: a device is ready when its hour begins.

    The hours repeat: what the first has beyond the last starts too.
    """
    load_s = sum(plan.models[name].load_s for name in day.group)
    cost = 0.0
    for hour, spread in enumerate(day.hours):
        before = day.hours[hour - 1]
        for place, workers in spread.items():
            device = plan.devices[place[0]]
            started = max(0, workers - before.get(place, 0))
            cost += started * (device.start_s + load_s) / 3600.0 * device.price_per_h
    return cost

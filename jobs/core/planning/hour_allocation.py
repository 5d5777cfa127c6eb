"""The workers of one hour: for each group the cheapest kinds and zones, with what others left of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import inf

from jobs.core.planning.plan_file import PlanInput
from jobs.core.planning.sharing import Group, kinds_of
from jobs.core.planning.worker_need import WorkerNeeds
from jobs.core.planning.zone_spread import DevicePlace, Spread, SpreadNeed, cheapest_spread

MOST_ORDERED = 4  # the orders of so many groups are tried where they compete for places

Stock = dict[tuple[str, str], float]


class InfeasiblePlanError(ValueError):
    """No number of workers meets the goals within the places; the message says what is missing."""


@dataclass(slots=True)
class Allocator:
    """Gives groups their workers hour by hour.

    `raised` is the share by which a group's arrivals are planned higher, where its simulation missed a goal.
    """

    plan: PlanInput
    needs: WorkerNeeds
    raised: dict[Group, float] = field(default_factory=dict)

    def peak_rates(self, group: Group, hour: int) -> dict[str, float]:
        """Return the jobs a second of the busiest minute of an hour, by model."""
        return {name: self.plan.rates[name][hour] * self.plan.models[name].peak for name in group}

    def allocate(self, groups: Sequence[Group], hour: int) -> dict[Group, Spread]:
        """Return the workers of all groups; InfeasiblePlanError.

        Without limits the groups do not touch each other. With limits the order that costs least is taken.
        """
        orders: Iterable[Sequence[Group]] = [groups]
        if len(groups) <= MOST_ORDERED and any(
            d.most_per_zone is not None for d in self.plan.devices.values()
        ):
            orders = permutations(groups)
        best, best_cost, fault = None, inf, InfeasiblePlanError("no order")
        for order in orders:
            try:
                spreads = self._in_order(order, hour)
            except InfeasiblePlanError as error:
                fault = error
                continue
            cost = sum(map(self.cost_per_h, spreads.values()))
            if cost < best_cost:
                best, best_cost = spreads, cost
        if best is None:
            raise fault
        return best

    def cost_per_h(self, spread: Spread) -> float:
        """Return what workers cost an hour."""
        return sum(self.plan.devices[kind].price_per_h * workers for (kind, _), workers in spread.items())

    def _in_order(self, order: Sequence[Group], hour: int) -> dict[Group, Spread]:
        stock: Stock = {
            (kind, zone): inf if device.most_per_zone is None else device.most_per_zone
            for kind, device in self.plan.devices.items()
            for zone in device.zones or self.plan.zones
        }
        spreads = {}
        for group in order:
            spreads[group] = self._group(group, hour, stock)
            for place, workers in spreads[group].items():
                stock[place] -= workers
        return spreads

    def _group(self, group: Group, hour: int, stock: Stock) -> Spread:
        """Return the cheapest workers; whichever kind is the slowest of a mix decides their number."""
        rates, kinds = self.peak_rates(group, hour), kinds_of(self.plan, group)
        needs = {kind: need for kind in kinds if (need := self._need(group, kind, rates))}
        best, best_cost = None, inf
        for slowest in needs.values():
            mixed = [k for k, n in needs.items() if n.workers <= slowest.workers and n.left <= slowest.left]
            spread = cheapest_spread(self._places(mixed, stock), slowest)
            if spread is not None and (cost := self.cost_per_h(spread)) < best_cost:
                best, best_cost = spread, cost
        if best is None:
            raise InfeasiblePlanError(self._why_not(group, hour, rates, needs))
        return best

    def _places(self, kinds: Sequence[str], stock: Stock) -> list[DevicePlace]:
        prices = {kind: self.plan.devices[kind].price_per_h for kind in kinds}
        return [
            DevicePlace(kind, zone, prices[kind], most)
            for (kind, zone), most in stock.items()
            if kind in prices and most > 0
        ]

    def _need(self, group: Group, kind: str, rates: Mapping[str, float]) -> SpreadNeed | None:
        survive, factor = self.plan.survive_zones, 1.0 + self.raised.get(group, 0.0)
        raised = {name: rate * factor for name, rate in rates.items()}
        workers = self.needs.need(kind, raised, self.plan.most_load)
        left = self.needs.need(kind, raised, self.plan.most_load_after_loss) if survive else 0
        return None if workers is None or left is None else SpreadNeed(workers, left, survive)

    def _why_not(
        self, group: Group, hour: int, rates: Mapping[str, float], needs: Mapping[str, SpreadNeed]
    ) -> str:
        names = " and ".join(group)
        if needs:
            least = min(needs.values())
            return (
                f"At hour {hour} {names} needs at least {least.workers} workers, {least.left} without the"
                f" {least.survive} largest zones: the zones have too few devices."
            )
        worst = {
            name: self.needs.best_p95_s(kinds_of(self.plan, group), name, rate)
            for name, rate in rates.items()
            if rate
        }
        texts = (
            f"the best p95 of {name} is {p95_s:.3g} s, its goal {self.plan.models[name].p95_goal_s:g} s"
            for name, p95_s in worst.items()
        )
        return f"At hour {hour} no number of workers meets the goal: {', '.join(texts)}."

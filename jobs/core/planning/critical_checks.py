"""Chooses the critical hours of each group, simulates them, and raises workers where a goal is missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jobs.core.planning.batch_recursion import ChanceOf
from jobs.core.planning.critical_minutes import SimulatedMinutes, simulated
from jobs.core.planning.group_day import GroupDay
from jobs.core.planning.hour_allocation import Allocator
from jobs.core.planning.plan_file import PlanInput
from jobs.core.planning.plan_report import CriticalMinutes
from jobs.core.planning.sharing import Group
from jobs.core.planning.zone_spread import left_after

MOST_ROUNDS = 8
RAISE = 0.04  # of the arrivals, in a round


class _Case(NamedTuple):
    """Workers of one kind at an hour of a group, with or without the largest zones."""

    group: Group
    hour: int
    after_loss: bool
    kind: str
    workers: int  # of all kinds: each gets the same share


class _Nearness(NamedTuple):
    """How full the workers of an hour are, and which share of its goal the p95 nearest to it takes."""

    load: float
    nearness: float


@dataclass(slots=True)
class CriticalChecks:
    """Simulates what decides, once for each case, and keeps the results of the last round."""

    plan: PlanInput
    allocator: Allocator
    chance_of: ChanceOf
    results: list[CriticalMinutes] = field(default_factory=list)
    rounds: int = 0
    _seen: dict[_Case, SimulatedMinutes] = field(default_factory=dict)

    def run(self, days: Sequence[GroupDay]) -> bool:
        """Simulate the critical hours; return whether workers were raised, so that a new plan is due."""
        self.rounds += 1
        results = [(day.group, self._checked(case)) for day in days for case in self._cases(day)]
        self.results = [result for _, result in results]
        missed = {group for group, result in results if not result.met}
        if not missed or self.rounds > MOST_ROUNDS:
            return False
        for group in missed:
            self.allocator.raised[group] = self.allocator.raised.get(group, 0.0) + RAISE
        return True

    def _cases(self, day: GroupDay) -> Iterator[_Case]:
        """Yield the busiest hour and the one whose p95 is nearest to its goal, whole and without zones."""
        hours = [hour for hour in range(self.plan.hours) if day.total(hour)]
        for after_loss in (False, True) if self.plan.survive_zones else (False,):
            seen = {hour: self._foretold(day, hour, after_loss=after_loss) for hour in hours}
            fullest = max(hours, key=lambda hour, seen=seen: seen[hour].load)  # type: ignore[misc]  # no type is inferred with a default
            nearest = max(hours, key=lambda hour, seen=seen: seen[hour].nearness)  # type: ignore[misc]  # as above
            for hour in sorted({fullest, nearest}):
                kinds, workers = self._crew(day, hour, after_loss=after_loss)
                for kind in kinds:
                    yield _Case(day.group, hour, after_loss, kind, workers)

    def _crew(self, day: GroupDay, hour: int, *, after_loss: bool) -> tuple[list[str], int]:
        left = left_after(day.hours[hour], self.plan.survive_zones if after_loss else 0)
        return sorted(left), left.total()

    def _foretold(self, day: GroupDay, hour: int, *, after_loss: bool) -> _Nearness:
        kinds, workers = self._crew(day, hour, after_loss=after_loss)
        rates = self.allocator.peak_rates(day.group, hour)
        all_kinds = [self.allocator.needs.foretell(kind, rates, workers) for kind in kinds]
        shares = (
            p95_s / self.plan.models[name].p95_goal_s
            for one in all_kinds
            for name, p95_s in one.p95_s.items()
        )
        return _Nearness(max(one.load for one in all_kinds), max(shares))

    def _checked(self, case: _Case) -> CriticalMinutes:
        rates = self.allocator.peak_rates(case.group, case.hour)
        needs = self.allocator.needs
        if case not in self._seen:
            chance = self.chance_of(self.plan.seed + 1_000 + case.hour)
            self._seen[case] = simulated(needs, case.kind, rates, case.workers, chance)
        own = self._seen[case]
        foretold = needs.foretell(case.kind, rates, case.workers)
        return CriticalMinutes(
            models=list(case.group),
            device=case.kind,
            hour=case.hour,
            after_loss=case.after_loss,
            workers=case.workers,
            simulated_workers=own.workers,
            jobs=own.jobs,
            foretold_ms={name: _ms(p95_s) for name, p95_s in foretold.p95_s.items()},
            simulated_ms={name: _ms(p95_s) for name, p95_s in own.p95_s.items()},
            raised=round(self.allocator.raised.get(case.group, 0.0), 4),
            met=all(p95_s <= self.plan.models[name].p95_goal_s for name, p95_s in own.p95_s.items()),
        )


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)

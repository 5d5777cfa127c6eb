"""Runs simulated roll-outs, and adds up how they ended."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from models_registry.core.rollouts.rollout_states import RolloutState
from models_registry.core.rollouts.simulation.scenario import RolloutScenario
from models_registry.core.rollouts.simulation.virtual_rollout import VirtualEnd, VirtualRollout

Number = TypeVar("Number", int, float)


class SimulatedRollouts(Struct, frozen=True):
    """How the roll-outs ended; rates are parts of all runs, `p90` is of 9 in 10.

    `ends` counts each state, with the reason to hold or go back. Jobs met and hours are those of the
    roll-outs that went back, or of all where none did. `over_budget` is the most jobs that an unproven
    candidate met above its budget, `within_a_tick` whether that was at most what it claimed in that tick, in
    every run.
    """

    runs: int
    ends: dict[str, int]
    rolled_back: float
    promoted: float
    proven: float
    budget: int
    met_median: int
    met_p90: int
    hours_median: float
    hours_p90: float
    over_budget: int
    within_a_tick: bool
    example: str

    @property
    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


def run_rollouts(scenario: RolloutScenario, runs: int, seed: int) -> list[VirtualEnd]:
    """Simulate the roll-outs; the first keeps its trail for the picture."""
    ends = []
    for number in range(runs):
        chance = random.Random(f"{seed}/{number}").random  # noqa: S311  # it must be repeatable, not secret
        ends.append(VirtualRollout(scenario, chance, traced=not number).run())
    return ends


def summed_up(ends: Sequence[VirtualEnd]) -> SimulatedRollouts:
    """Return what the roll-outs come to."""
    back = [end for end in ends if end.state is RolloutState.ROLLED_BACK]
    decided = back or list(ends)
    met, hours = sorted(end.met for end in decided), sorted(end.seconds / 3_600.0 for end in decided)
    return SimulatedRollouts(
        runs=len(ends),
        ends=dict(Counter(_end(end) for end in ends).most_common()),
        rolled_back=len(back) / len(ends),
        promoted=sum(end.state in (RolloutState.DONE, RolloutState.BAKING) for end in ends) / len(ends),
        proven=sum(end.proven for end in ends) / len(ends),
        budget=ends[0].budget,
        met_median=_quantile(met, 0.5),
        met_p90=_quantile(met, 0.9),
        hours_median=_quantile(hours, 0.5),
        hours_p90=_quantile(hours, 0.9),
        over_budget=max(end.over_budget for end in ends),
        within_a_tick=all(end.over_budget <= end.last_tick for end in ends),
        example=ends[0].sentence,
    )


def _end(end: VirtualEnd) -> str:
    detail = end.reason or (end.held.value if end.held else "")
    return f"{end.state.value}: {detail}" if detail else end.state.value


def _quantile(ordered: Sequence[Number], part: float) -> Number:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

"""Which share a candidate gets: that of its step, or less while it is unproven and its budget is small."""

from __future__ import annotations

from models_registry.core.rollouts.judging.standing import RolloutStanding
from models_registry.core.rollouts.rollout_plan import Plan

PPM = 1_000_000


def step_share_ppm(plan: Plan, step: int) -> int:
    """Return the share of a step; at the last one the old version keeps the plan's holdback."""
    return min(plan.shares_ppm[step], PPM - plan.holdback_ppm)


def paced_share_ppm(standing: RolloutStanding, share_ppm: int) -> int:
    """Return `share_ppm`, halved until the next tick's expected arrivals fit in the rest of the budget.

    Halves, because each new share is a new rule. A share that is to grow needs twice the room, so that a
    rate that scatters does not change the rule at every look.
    """
    if standing.proven:
        return share_ppm
    if not standing.left:
        return 0
    while share_ppm and _expected(standing, share_ppm) > standing.left:
        share_ppm //= 2
    return share_ppm


def _expected(standing: RolloutStanding, share_ppm: int) -> float:
    room = 2.0 if share_ppm > standing.share_ppm else 1.0
    return room * standing.arrivals_per_s * standing.tick_s * share_ppm / PPM

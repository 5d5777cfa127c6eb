"""Where a roll-out stands: what the judge reads beside the evidence."""

from __future__ import annotations

from math import isfinite

from msgspec import Struct

from models_registry.core.registry_errors import EvidenceError
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutState

JUDGED_STATES = frozenset({RolloutState.RUNNING, RolloutState.HELD, RolloutState.BAKING})


class RolloutStanding(Struct, frozen=True):
    """A roll-out's row, and what the last looks counted.

    `met` are jobs that the candidate claimed, `waiting` those routed to it that nothing claimed yet.
    `at_step_s` are seconds since the step began or was resumed, `in_state_s` since the state or the reason
    to hold changed. `deaths_held` are the deaths that it was held for already; `suspects` are jobs of a dead
    worker that the stable version has not answered yet. `arrivals_per_s` are all jobs of the alias.
    """

    state: RolloutState
    budget: int
    step: int = 0
    share_ppm: int = 0
    met: int = 0
    waiting: int = 0
    proven: bool = False
    at_step_s: float = 0.0
    in_state_s: float = 0.0
    held: HoldReason | None = None
    deaths_held: int = 0
    suspects: int = 0
    arrivals_per_s: float = 0.0
    tick_s: float = 2.0

    @property
    def left(self) -> int:
        """Return how many jobs of the budget are left, those that wait taken off; at least 0."""
        return max(0, self.budget - self.met - self.waiting)

    @property
    def exhausted(self) -> bool:
        """Return whether an unproven candidate has met its budget."""
        return not self.proven and self.met >= self.budget


def check_standing(plan: Plan, standing: RolloutStanding) -> None:
    """Raise EvidenceError where a standing cannot be judged."""
    if standing.state not in JUDGED_STATES:
        raise EvidenceError(f"A roll-out that is {standing.state} is not judged.")
    if (standing.state is RolloutState.HELD) != (standing.held is not None):
        raise EvidenceError("A roll-out that is held has a reason, and no other has.")
    if not 0 <= standing.step < len(plan.steps):
        raise EvidenceError(
            f"The plan has no step {standing.step}: its steps are 0 to {len(plan.steps) - 1}."
        )
    seconds = (standing.at_step_s, standing.in_state_s, standing.arrivals_per_s)
    if not all(isfinite(value) and value >= 0.0 for value in seconds) or standing.tick_s <= 0.0:
        raise EvidenceError("Seconds and rates are numbers from 0; a tick is longer than 0 s.")
    if min(standing.met, standing.waiting, standing.budget, standing.share_ppm, standing.deaths_held) < 0:
        raise EvidenceError("A count of the roll-out is below 0.")

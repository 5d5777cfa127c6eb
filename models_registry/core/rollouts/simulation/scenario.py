"""What a simulated roll-out meets: its jobs, both versions' errors, and what must not mislead the judge."""

from __future__ import annotations

from math import isfinite

from msgspec import Struct

from models_registry.core.registry_errors import RolloutPlanError
from models_registry.core.rollouts.rollout_plan import BUDGET_SHARE, DAY_S, LEAST_BUDGET, Plan
from models_registry.core.routing.decision import SAMPLE

SAMPLED = float(SAMPLE)  # times the canary's share, of the stable side
_MOST_DAILY = 1e9


class RolloutScenario(Struct, frozen=True):
    """A roll-out to simulate; rates and shares are parts of 1, times seconds.

    `worse` is added to the candidate's error rate, and `slower` multiplies its latency, whose logarithm
    scatters by `sigma`. Both versions' rate becomes `drift` after a third of `drift_within_s`, or for jobs
    admitted from `drift_at_step` on. Verdicts come `in_flight_s` after the admission on average. `lag`
    withholds most of the stable version's verdicts in spells. With `clients`, a client is the sticky key,
    and a tenth of them fail ten times as often as the rest. `bad_client` sends a twentieth of all jobs, with
    one input that fails on both versions.
    """

    daily: float
    errors: float = 0.01
    worse: float = 0.0
    refused: float = 0.002
    whole_batches: float = 0.0005  # of batches that fail as a whole
    slower: float = 1.0
    sigma: float = 0.5
    latency: bool = True
    drift: float | None = None
    drift_within_s: float = 3_600.0
    drift_at_step: int | None = None
    in_flight_s: float = 0.0
    lag: bool = False
    clients: int = 0
    bad_client: bool = False
    duels_per_look: int = 0
    budget: int | None = None
    look_s: float = 2.0
    horizon_s: float = 7.0 * DAY_S
    sampled: float = SAMPLED
    plan: Plan = Plan()

    @property
    def rate_per_s(self) -> float:
        """Return the jobs of the alias a second."""
        return self.daily / DAY_S

    @property
    def jobs_in_budget(self) -> int:
        """Return the budget in force."""
        return self.budget or self.plan.budget or max(LEAST_BUDGET, round(BUDGET_SHARE * self.daily))

    def errors_at(self, now_s: float, step: int) -> float:
        """Return the stable version's error rate of jobs that are admitted now."""
        if self.drift is None:
            return self.errors
        if self.drift_at_step is not None:
            return self.drift if step >= self.drift_at_step else self.errors
        return self.errors if now_s < self.drift_within_s / 3 else self.drift


def check_scenario(scenario: RolloutScenario) -> None:
    """Raise RolloutPlanError that names the first value that cannot be simulated."""
    rates = {name: getattr(scenario, name) for name in ("errors", "worse", "refused", "whole_batches")}
    if scenario.drift is not None:
        rates["drift"] = scenario.drift
    for name, rate in rates.items():
        if not (isfinite(rate) and 0.0 <= rate <= 1.0):
            raise RolloutPlanError(f"{name} is {rate}; it must be a part from 0 to 1.")
    if not 0.0 < scenario.daily <= _MOST_DAILY:
        raise RolloutPlanError(f"daily is {scenario.daily}; it must be above 0, at most {_MOST_DAILY:,.0f}.")
    for name in ("slower", "look_s", "horizon_s", "sampled", "drift_within_s"):
        value = getattr(scenario, name)
        if not (isfinite(value) and value > 0.0):
            raise RolloutPlanError(f"{name} is {value}; it must be a number above 0.")
    if scenario.clients < 0 or scenario.duels_per_look < 0 or not 0.0 <= scenario.sigma < 10.0:  # noqa: PLR2004  # e^10
        raise RolloutPlanError("clients, duels and sigma must be at least 0; sigma is below 10.")
    if not (isfinite(scenario.in_flight_s) and scenario.in_flight_s >= 0.0):
        raise RolloutPlanError(f"in_flight_s is {scenario.in_flight_s}; it must be a number from 0.")
    if scenario.budget is not None and scenario.budget < 1:
        raise RolloutPlanError(f"budget is {scenario.budget}; it must be at least 1.")

"""What follows an attempt in virtual time, as the product's retry policy decides."""

from __future__ import annotations

from enum import StrEnum

from jobs.core.failures import FailureKind
from jobs.core.retry.policy import Attempt, Bury, decide
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.plan import SimulationPlan


class AttemptEnd(StrEnum):
    """How an attempt ended."""

    SERVED = "served"
    DEAD = "dead"


class Attempts:
    """Counts the attempts of jobs that failed before."""

    def __init__(self, plan: SimulationPlan, chance: Chance) -> None:
        self._models, self._chance = plan.models, chance
        self._numbers = dict[Arrival, int]()
        self.may_fail = any(model.failing for model in plan.models.values())

    def end(self, arrival: Arrival, now: float) -> AttemptEnd | float:
        """Return how the job ended, or after how many seconds it is tried again."""
        model = self._models[arrival.version]
        number = self._numbers.pop(arrival, 1)
        if not model.failing or self._chance() >= model.failing:
            return AttemptEnd.SERVED
        left_s = None if arrival.deadline_in_s is None else arrival.at_s + arrival.deadline_in_s - now
        attempt = Attempt(number, model.max_attempts, left_s, model.run.mean_s(arrival.size))
        step = decide(FailureKind.TRANSIENT, attempt, policy=model.retry, chance=self._chance())
        if isinstance(step, Bury):
            return AttemptEnd.DEAD
        self._numbers[arrival] = number + 1
        return step.delay_s

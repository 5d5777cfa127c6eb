"""Jobs in flight: their verdicts come some looks after their admission, of both versions alike.

Those that a step overtakes are no evidence, as on the running platform.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from models_registry.core.rollouts.simulation.arrivals_by_arm import ArmJobs, Dealt
from models_registry.core.rollouts.simulation.chance import Chance


@dataclass(slots=True)
class AttemptsInFlight:
    """The jobs whose verdicts are still to come; each comes at a look with a chance of `part`."""

    part: float
    _waiting: Dealt = field(default_factory=Dealt)
    _step: int = 0

    def ended(self, chance: Chance, dealt: Dealt, step: int) -> Dealt:
        """Take in what was admitted at a step; return what ended, each job in the arm of its admission."""
        if self.part >= 1.0:
            return dealt
        if step != self._step:
            self._waiting, self._step = Dealt(), step
        ended, waiting = Dealt(claimed=dealt.claimed), Dealt()
        for name in ("candidate", "stable", "baseline"):
            old, new = getattr(self._waiting, name), getattr(dealt, name)
            both = ArmJobs(old.seen | new.seen, old.failed | new.failed, old.refused | new.refused)
            out = {key for key in both.seen if chance() < self.part}
            setattr(ended, name, _of(both, out))
            setattr(waiting, name, _of(both, both.seen - out))
        self._waiting = waiting
        return ended


def _of(jobs: ArmJobs, keys: set[int]) -> ArmJobs:
    failed = jobs.failed & keys
    return ArmJobs(keys, failed, (jobs.refused & keys) - failed, len(keys))

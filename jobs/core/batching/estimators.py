"""The estimates that the policy learns online: those of a key, and the overhead of the worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.core.batching.arrival_rate import ArrivalRate
from jobs.core.batching.memory_cap import MemoryCap
from jobs.core.batching.service_time import ServiceTime

_LEARN = 0.1
_LEARN_LONGER = 0.01
_ROOMY = 0.5  # a platform that is no busier than this has room
_MOST_WEIGHT = 4.0
_MOST_BATCH_S = 0.1  # what takes longer waited for a lock or a database, or loaded the model first


@dataclass(slots=True)
class Estimators:
    """Service time, memory cap and arrivals of one key, and the times of its last fast and slow batch."""

    sealed_s: float = 0.0
    slow_sealed_s: float = 0.0
    service: ServiceTime = field(default_factory=ServiceTime)
    memory: MemoryCap = field(default_factory=MemoryCap)
    arrivals: ArrivalRate = field(default_factory=ArrivalRate)


@dataclass(slots=True)
class OverheadEstimate:
    """Seconds from the seal of a batch to its run: the mean and the mean deviation."""

    mean_s: float = 0.005
    off_s: float = 0.0025

    def observe(self, seconds: float) -> None:
        """Learn from one batch; more than a second is a fault and no overhead."""
        error_s = min(seconds, 1.0) - self.mean_s
        self.mean_s += _LEARN * error_s
        self.off_s += _LEARN * (abs(error_s) - self.off_s)

    @property
    def lead_s(self) -> float:
        """Return how long before the device is free a batch is sealed so that it is ready in time."""
        return self.mean_s + 2.0 * self.off_s


@dataclass(slots=True)
class PlatformCost:
    """What a batch costs the platform, whatever it holds, and how scarce that is now.

    The seconds are those of its claim and its settle. Where everything waits for a processor they grow, so
    the estimate follows shorter ones fast and longer ones slowly.
    """

    batch_s: float = 0.0
    busy: float = 0.0

    def observe(self, seconds: float) -> None:
        """Learn from one batch."""
        cost_s = min(seconds, _MOST_BATCH_S)
        learn = _LEARN if cost_s < self.batch_s else _LEARN_LONGER
        self.batch_s = self.batch_s + learn * (cost_s - self.batch_s) if self.batch_s else cost_s

    @property
    def weighed_s(self) -> float:
        """Return the cost as it counts now: nothing while there is room, several times while there is none.

        The time that one batch takes from a busy processor is taken from each job that waits for it.
        """
        scarce = (self.busy - _ROOMY) / (1.0 - _ROOMY)
        return self.batch_s * _MOST_WEIGHT * min(max(scarce, 0.0), 1.0)

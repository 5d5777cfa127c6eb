"""The estimates that the policy learns online: those of a key, and the overhead of the worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.core.batching.arrival_rate import ArrivalRate
from jobs.core.batching.memory_cap import MemoryCap
from jobs.core.batching.service_time import ServiceTime

_LEARN = 0.1


@dataclass(slots=True)
class Estimators:
    """Service time, memory cap and arrivals of one key, and the time of its last sealed batch."""

    sealed_s: float = 0.0
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

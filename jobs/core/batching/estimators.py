"""The estimates that the policy learns for each key, and for the worker's own overhead."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.core.batching.arrival_rate import ArrivalRate
from jobs.core.batching.memory_cap import MemoryCap
from jobs.core.batching.service_time import ServiceTime

_LEARN = 0.1


@dataclass(slots=True)
class Estimators:
    """One key's service time, memory cap and arrivals, and the time of its last seal."""

    sealed_s: float = 0.0
    service: ServiceTime = field(default_factory=ServiceTime)
    memory: MemoryCap = field(default_factory=MemoryCap)
    arrivals: ArrivalRate = field(default_factory=ArrivalRate)


@dataclass(slots=True)
class OverheadEstimate:
    """Seconds between the seal of a batch and its run: the mean and the usual deviation."""

    mean_s: float = 0.005
    off_s: float = 0.0025

    def observe(self, seconds: float) -> None:
        """Learn one; more than a second is a fault, not an overhead."""
        error_s = min(seconds, 1.0) - self.mean_s
        self.mean_s += _LEARN * error_s
        self.off_s += _LEARN * (abs(error_s) - self.off_s)

    @property
    def lead_s(self) -> float:
        """Return how long before the device is free a batch must be sealed to be ready in time."""
        return self.mean_s + 2.0 * self.off_s

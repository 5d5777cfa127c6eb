"""What watching a key and the worker's own overhead teaches the policy."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.core.batching.arrival_rate import ArrivalRate
from jobs.core.batching.memory_cap import MemoryCap
from jobs.core.batching.service_time import ServiceTime

_LEARN = 0.1


@dataclass(slots=True)
class Estimators:
    """One key's service time, memory cap, arrivals, and when a batch of it was sealed last."""

    sealed_s: float = 0.0
    service: ServiceTime = field(default_factory=ServiceTime)
    memory: MemoryCap = field(default_factory=MemoryCap)
    arrivals: ArrivalRate = field(default_factory=ArrivalRate)


@dataclass(slots=True)
class OverheadEstimate:
    """Seconds between the seal of a batch and its run: the mean and how far off it usually is."""

    mean_s: float = 0.005
    off_s: float = 0.0025

    def observe(self, seconds: float) -> None:
        """Learn one; what takes over a second is a fault, not an overhead."""
        error_s = min(seconds, 1.0) - self.mean_s
        self.mean_s += _LEARN * error_s
        self.off_s += _LEARN * (abs(error_s) - self.off_s)

    @property
    def lead_s(self) -> float:
        """Return how long before the device is free a batch is sealed so that it is ready in time."""
        return self.mean_s + 2.0 * self.off_s

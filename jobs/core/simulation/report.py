"""The result of a simulation."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import ceil, inf, nan

from jobs.core.batching.sealed_batch import SealReason


@dataclass(slots=True)
class SimulationReport:
    """Counts and times, collected while the simulation runs.

    `offered_s` is from the first to the last arrival, `span_s` from the first arrival to the last outcome,
    `latencies_s` from submit to stored result, and `busy_s` the time in which lanes ran batches. `dead` jobs
    failed for the last time, `retried` are failed attempts after which another one came. `by_version` are the
    latencies of each version, in order of their results.
    """

    lanes: int = 1
    offered: int = 0
    refused: int = 0
    expired: int = 0
    dead: int = 0
    retried: int = 0
    offered_s: float = 0.0
    span_s: float = 0.0
    busy_s: float = 0.0
    batched: int = 0
    seals: Counter[SealReason] = field(default_factory=Counter)
    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    by_version: dict[int, array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    _sorted_s: list[float] = field(default_factory=list, repr=False)

    @property
    def served(self) -> int:
        """Return how many jobs have a result."""
        return len(self.latencies_s)

    @property
    def throughput_per_s(self) -> float:
        """Return served jobs a second."""
        return self.served / self.span_s if self.span_s else 0.0

    @property
    def offered_per_s(self) -> float:
        """Return offered jobs a second of `offered_s`; infinity where all came at once."""
        return self.offered / self.offered_s if self.offered_s else inf

    @property
    def mean_batch(self) -> float:
        """Return the mean number of items in a batch."""
        batches = self.seals.total()
        return self.batched / batches if batches else 0.0

    @property
    def utilisation(self) -> float:
        """Return the fraction of the time in which a lane ran a batch."""
        return self.busy_s / (self.lanes * self.span_s) if self.span_s else 0.0

    @property
    def mean_latency_s(self) -> float:
        """Return the mean latency; NaN where no job was served."""
        return sum(self.latencies_s) / self.served if self.served else nan

    def latency_s(self, fraction: float) -> float:
        """Return the latency that `fraction` of the served jobs do not exceed; NaN if no job was served."""
        if len(self._sorted_s) != self.served:
            self._sorted_s = sorted(self.latencies_s)
        return self._sorted_s[max(0, ceil(fraction * self.served) - 1)] if self.served else nan

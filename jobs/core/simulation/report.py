"""What came of a simulation."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from math import ceil, inf, nan

from jobs.core.batching.sealed_batch import SealReason


@dataclass(slots=True)
class SimulationReport:
    """Counts and times; it grows while the simulation runs.

    Jobs came for `offered_s`; `span_s` is from the first arrival to the last outcome, `latencies_s` from
    submit to stored result, `busy_s` the seconds that lanes ran, of `lanes * span_s`.
    """

    lanes: int = 1
    offered: int = 0
    refused: int = 0
    expired: int = 0
    offered_s: float = 0.0
    span_s: float = 0.0
    busy_s: float = 0.0
    batched: int = 0
    seals: Counter[SealReason] = field(default_factory=Counter)
    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    _sorted_s: list[float] = field(default_factory=list, repr=False)

    @property
    def served(self) -> int:
        """Return how many jobs have a stored result."""
        return len(self.latencies_s)

    @property
    def throughput_per_s(self) -> float:
        """Return served jobs a second."""
        return self.served / self.span_s if self.span_s else 0.0

    @property
    def offered_per_s(self) -> float:
        """Return offered jobs a second while they came; infinity where they came all at once."""
        return self.offered / self.offered_s if self.offered_s else inf

    @property
    def mean_batch(self) -> float:
        """Return the items of a batch, on average."""
        batches = self.seals.total()
        return self.batched / batches if batches else 0.0

    @property
    def utilisation(self) -> float:
        """Return the share of the lanes' time in which they ran a batch."""
        return self.busy_s / (self.lanes * self.span_s) if self.span_s else 0.0

    @property
    def mean_latency_s(self) -> float:
        """Return the mean latency; not a number where nothing was served."""
        return sum(self.latencies_s) / self.served if self.served else nan

    def latency_s(self, share: float) -> float:
        """Return the smallest latency that at least `share` of the served jobs do not exceed; else NaN."""
        if len(self._sorted_s) != self.served:
            self._sorted_s = sorted(self.latencies_s)
        return self._sorted_s[max(0, ceil(share * self.served) - 1)] if self.served else nan

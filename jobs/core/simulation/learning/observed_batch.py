"""A batch of the ledger as the simulation learns from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObservedBatch:
    """A batch that ran: times in seconds, moments in seconds of one clock.

    `units` is what its run's time depends on: padded size, or items. `delivered_s` are the seconds from when
    each member was due until the worker had received it.
    """

    worker: int
    lanes: int
    items: int
    units: int
    sealed_s: float
    claim_s: float
    lane_s: float
    ran_s: float
    settling_s: float
    delivered_s: tuple[float, ...] = ()

    @property
    def claimed_s(self) -> float:
        """Return when its jobs were claimed."""
        return self.sealed_s + self.claim_s

    @property
    def run_began_s(self) -> float:
        """Return when its run began."""
        return self.claimed_s + self.lane_s

    @property
    def run_ended_s(self) -> float:
        """Return when its run ended."""
        return self.run_began_s + self.ran_s

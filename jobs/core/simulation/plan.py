"""What is simulated: the model, the workers and what they spend beside the model, admission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation.arrivals import Chance


@dataclass(frozen=True, slots=True)
class Timing:
    """What a step takes: `base_s + per_unit_s * units`, up to the share `jitter` more or less."""

    base_s: float = 0.0
    per_unit_s: float = 0.0
    jitter: float = 0.0

    def seconds(self, units: float, chance: Chance) -> float:
        """Return what a step over `units` takes this time."""
        seconds = self.base_s + self.per_unit_s * units
        return seconds * (1.0 + self.jitter * (2.0 * chance() - 1.0)) if self.jitter else seconds


@dataclass(frozen=True, slots=True)
class Model:
    """A model version: its bounds, and its run by padded size, or by items where it does not pad."""

    run: Timing
    limits: BatchLimits = field(default_factory=BatchLimits)


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers, all alike: `lanes` batches run at once on each, and `ahead` are claimed and wait.

    `prefetch` bounds the messages that a worker holds and has not acknowledged.
    """

    workers: int = 1
    lanes: int = 1
    ahead: int = 1
    prefetch: int = 256


@dataclass(frozen=True, slots=True)
class Overheads:
    """What a job and a batch spend outside the model; claim and settle by items of the batch."""

    deliver_s: float = 0.0
    claim: Timing = field(default_factory=Timing)
    settle: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """Everything but the jobs; `goal_s` is what admission sheds for, 0 for no shedding."""

    models: Mapping[int, Model]
    crew: Crew = field(default_factory=Crew)
    overheads: Overheads = field(default_factory=Overheads)
    goal_s: float = 0.0

    @property
    def lanes(self) -> int:
        """Return how many batches run at once over all workers."""
        return self.crew.workers * self.crew.lanes

    def capacity_per_s(self, *, version: int = 0, size: int = 1) -> float:
        """Return the items a second that full batches of items of one size come to, overheads hidden."""
        model = self.models[version]
        limits = model.limits
        items = limits.max_batch
        if limits.max_padded_size:
            items = max(1, min(items, limits.max_padded_size // size))
        seconds = model.run.base_s + model.run.per_unit_s * items * (size if limits.padded else 1)
        return self.lanes * items / seconds

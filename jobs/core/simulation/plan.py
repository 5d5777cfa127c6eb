"""What is simulated: models, workers, their time beside the model, and whether models shed load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation.arrivals import Chance
from models_registry.core.options import MOST_WAITING, RetryOptions


@dataclass(frozen=True, slots=True)
class Timing:
    """The time of a step: `base_s + per_unit_s * units`, as it varies.

    It is more or less by up to the share `jitter`, or as `spread` says: factors at evenly spaced quantiles,
    the first at 0 and the last at 1. `by_size` are factors by the power of two that the units lie under, for
    what grows in steps; where it ends, the last holds. Each other lane of the worker that is busy makes a
    run longer by the share `crowding`.
    """

    base_s: float = 0.0
    per_unit_s: float = 0.0
    jitter: float = 0.0
    spread: tuple[float, ...] = ()
    by_size: tuple[float, ...] = ()
    crowding: float = 0.0

    def seconds(self, units: float, chance: Chance) -> float:
        """Return the seconds of one step over `units`."""
        seconds = self.mean_s(units)
        spread = self.spread
        if spread:
            place = chance() * (len(spread) - 1)
            below = int(place)
            low = spread[below]
            return seconds * (low + (place - below) * (spread[min(below + 1, len(spread) - 1)] - low))
        return seconds * (1.0 + self.jitter * (2.0 * chance() - 1.0)) if self.jitter else seconds

    def mean_s(self, units: float) -> float:
        """Return the seconds over `units` without what makes them vary."""
        seconds = self.base_s + self.per_unit_s * units
        if self.by_size:
            seconds *= self.by_size[min(int(units).bit_length(), len(self.by_size) - 1)]
        return seconds


@dataclass(frozen=True, slots=True)
class Model:
    """A model version: the time of a run by padded size (by items where it does not pad), and its limits.

    Versions of one `queue`, which is that of their registered model, share it. A worker loads a version in
    `load_s` where it is not in its memory, of which it takes `memory_bytes`; a `cold` one is in no memory at
    the start. An attempt fails with the probability `failing`; `retry` and `max_attempts` say what follows.
    Inputs that would run for more than `slow_above_s` go to the slow lane.
    """

    run: Timing
    limits: BatchLimits = field(default_factory=BatchLimits)
    max_waiting: int = MOST_WAITING
    queue: str = ""
    load_s: float = 0.0
    memory_bytes: int = 0
    cold: bool = False
    failing: float = 0.0
    retry: RetryOptions = field(default_factory=RetryOptions)
    max_attempts: int = 3
    slow_above_s: float | None = None


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers, all equal: each runs `lanes` batches at once and claims `ahead` more in advance.

    `prefetch` bounds the unacknowledged messages of a worker and queue, `memory_bytes` what its versions may
    occupy; None for no limit. `busy` is the share of the hosts' processors that is in use: batches wait for
    company where that is scarce.
    """

    workers: int = 1
    lanes: int = 1
    ahead: int = 1
    prefetch: int = 256
    memory_bytes: int | None = None
    busy: float = 0.0


@dataclass(frozen=True, slots=True)
class Overheads:
    """Time spent outside the model: the delivery of a job, and claim and settle by items of the batch.

    A delivery is from the submit to the worker's buffer where the queue has room; `deliver_spread` are the
    factors by which it varies, as a timing's `spread`. `look` is the time of one look of the relay at a
    backlog, by the jobs that it publishes.
    """

    deliver_s: float = 0.0
    claim: Timing = field(default_factory=Timing)
    settle: Timing = field(default_factory=Timing)
    deliver_spread: tuple[float, ...] = ()
    look: Timing = field(default_factory=Timing)

    @property
    def deliver(self) -> Timing:
        """Return the time of a delivery."""
        return Timing(self.deliver_s, spread=self.deliver_spread)


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """Everything but the jobs; `sheds` is the option `shed` of all models: hold jobs to the p95 goal.

    `depth` is the relay's setting: how many jobs of a level a queue may hold, 0 for its own choice.
    """

    models: Mapping[int, Model]
    crew: Crew = field(default_factory=Crew)
    overheads: Overheads = field(default_factory=Overheads)
    sheds: bool = False
    depth: int = 0

    @property
    def queues(self) -> Mapping[str, Mapping[int, Model]]:
        """Return the versions of each queue."""
        queues = defaultdict[str, dict[int, Model]](dict)
        for version, model in self.models.items():
            queues[model.queue][version] = model
        return queues

    @property
    def lanes(self) -> int:
        """Return how many batches run at once on all workers."""
        return self.crew.workers * self.crew.lanes

    def capacity_per_s(self, *, version: int = 0, size: int = 1) -> float:
        """Return the items a second that full batches of one item size reach without overheads."""
        model = self.models[version]
        limits = model.limits
        items = limits.max_batch
        if limits.max_padded_size:
            items = max(1, min(items, limits.max_padded_size // size))
        seconds = model.run.mean_s(items * (size if limits.padded else 1))
        seconds *= 1.0 + model.run.crowding * (self.crew.lanes - 1)
        return self.lanes * items / seconds

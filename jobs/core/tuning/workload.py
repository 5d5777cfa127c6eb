"""What a setting is tuned for: the times of the model and its platform, and jobs at a rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.relay.queue_depth import prefetch
from jobs.core.simulation.arrivals import Arrival, Chance, poisson
from jobs.core.simulation.plan import Crew, Model, Overheads, SimulationPlan, Timing
from jobs.core.tuning.setting_space import TunedSetting

ChanceOf = Callable[[int], Chance]  # the random numbers of a seed
Trace = Callable[[int, int], Sequence[Arrival]]
FRESH = 1_000  # replications from this number on are not used by a search, so that they can check its result


@dataclass(frozen=True, slots=True)
class Workload:
    """A model and its jobs. `trace` gives the first so many jobs of a replication, one a second on average.

    The same replication has the same jobs for every setting and rate, and a shorter one is the beginning of
    a longer one. `limits` holds what is not tuned.
    """

    run: Timing
    trace: Trace
    chance_of: ChanceOf
    limits: BatchLimits = field(default_factory=BatchLimits)
    overheads: Overheads = field(default_factory=Overheads)
    mean_size: float = 1.0

    def plan(self, setting: TunedSetting, workers: int) -> SimulationPlan:
        """Return the plan of so many workers with a setting."""
        limits = replace(self.limits, max_batch=setting.max_batch, max_padded_size=setting.max_padded_size)
        crew = Crew(workers, setting.lanes, prefetch=setting.prefetch or prefetch(setting.max_batch))
        return SimulationPlan({0: Model(self.run, limits)}, crew, self.overheads, depth=setting.depth)

    def arrivals(self, replication: int, jobs: int, rate_per_s: float) -> list[Arrival]:
        """Return the jobs of a replication at a rate."""
        return [
            Arrival(a.at_s / rate_per_s, a.size, a.priority, a.client, 0, a.deadline_in_s)
            for a in self.trace(replication, jobs)
        ]

    def chance(self, replication: int) -> Chance:
        """Return what drives the jitter of a replication."""
        return self.chance_of(2 * replication + 1)

    def most_per_s(self, setting: TunedSetting, workers: int) -> float:
        """Return a rate that the setting cannot exceed: full batches all the time and nothing padded."""
        plan = self.plan(setting, workers)
        items, per_item = float(setting.max_batch), self.mean_size if self.limits.padded else 1.0
        if self.limits.padded and setting.max_padded_size:
            items = max(1.0, min(items, setting.max_padded_size / self.mean_size))
        crowded = 1.0 + self.run.crowding * (setting.lanes - 1)
        return plan.lanes * items / (self.run.mean_s(items * per_item) * crowded)


@dataclass(slots=True)
class DrawnTrace:
    """Jobs that arrive independently of each other, with sizes drawn from `sizes`; picklable."""

    chance_of: ChanceOf
    sizes: Sequence[int] = (1,)
    _drawn: dict[int, list[Arrival]] = field(default_factory=dict, repr=False)

    def __call__(self, replication: int, jobs: int) -> Sequence[Arrival]:
        """Return the first jobs of a replication."""
        drawn = self._drawn.get(replication, [])
        if len(drawn) < jobs:
            drawn = self._drawn[replication] = self._draw(replication, jobs)
        return drawn[:jobs]

    def _draw(self, replication: int, jobs: int) -> list[Arrival]:
        chance, sizes = self.chance_of(2 * replication), self.sizes
        gaps = poisson(1.0, chance, count=jobs)
        marks = self.chance_of(2 * replication + 2_000_000)
        return [Arrival(a.at_s, sizes[int(marks() * len(sizes))]) for a in gaps]


@dataclass(frozen=True, slots=True)
class RecordedTrace:
    """Recorded jobs in order of time: a replication is a part of the record, so that bursts stay whole.

    Fresh replications begin half a part later than those of the search.
    """

    jobs: Sequence[Arrival]
    parts: int

    def __call__(self, replication: int, jobs: int) -> Sequence[Arrival]:
        """Return `jobs` jobs from the beginning of a part; the record is a circle."""
        record, count = self.jobs, len(self.jobs)
        per_s = (count - 1) / (record[-1].at_s - record[0].at_s)
        shift = 0.5 if replication >= FRESH else 0.0
        first = int((replication % self.parts + shift) * count / self.parts)
        lap_s = count / per_s
        taken = [(record[n % count], n // count * lap_s) for n in range(first, first + jobs)]
        start_s = taken[0][0].at_s + taken[0][1]
        return [
            Arrival((a.at_s + lap - start_s) * per_s, a.size, a.priority, a.client, 0, a.deadline_in_s)
            for a, lap in taken
        ]

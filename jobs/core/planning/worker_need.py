"""How many workers of one kind a group of models needs at given rates to meet load and goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, inf
from typing import NamedTuple

from jobs.core.planning.batch_recursion import BatchRecursion
from jobs.core.planning.fluid import ModelFlow, batch_size, flow_of, load_of
from jobs.core.planning.plan_file import PlanInput

MOST_WORKERS = 1_000_000
IDLE_LOAD = 0.001  # more workers than leave this load do not shorten a latency


class ForetoldLoad(NamedTuple):
    """What a number of workers comes to: the load of each, and p95 in seconds by model."""

    load: float
    p95_s: dict[str, float]


class WorkerNeeds:
    """Answers for the models and kinds of one document; every worker of a group gets the same share.

    It does because the broker serves them in turn, however fast they are. So in a mix of kinds the slowest
    decides how many workers there must be.
    """

    def __init__(self, plan: PlanInput, recursion: BatchRecursion) -> None:
        self.plan, self._recursion = plan, recursion
        self._needs: dict[tuple[str, tuple[tuple[str, float], ...], float], int | None] = {}

    def flows(self, kind: str, rates: Mapping[str, float], workers: int) -> list[ModelFlow]:
        """Return the flows of the group's models at one of so many workers."""
        device = self.plan.devices[kind]
        return [flow_of(self.plan.models[name], kind, device, rate / workers) for name, rate in rates.items()]

    def foretell(self, kind: str, rates: Mapping[str, float], workers: int) -> ForetoldLoad:
        """Return load and p95 of workers of a kind that share jobs at these rates a second."""
        flows, lanes = self.flows(kind, rates, workers), self.plan.devices[kind].lanes
        p95_s = self._recursion.p95_s(flows, lanes, workers)
        load = load_of(flows, lanes, self.plan.overheads)
        return ForetoldLoad(load, dict(zip(rates, p95_s, strict=True)))

    def batches(self, kind: str, rates: Mapping[str, float], workers: int) -> list[float]:
        """Return the mean batch of each model at such a worker."""
        flows, lanes = self.flows(kind, rates, workers), self.plan.devices[kind].lanes
        return [batch_size(flow, flows, lanes) for flow in flows]

    def need(self, kind: str, rates: Mapping[str, float], most_load: float) -> int | None:
        """Return the fewest workers with a load of at most `most_load` that meet the goals; None: none do."""
        key = kind, tuple(rates.items()), most_load
        if key not in self._needs:
            self._needs[key] = self._fewest(kind, rates, most_load)
        return self._needs[key]

    def meets(self, kind: str, rates: Mapping[str, float], workers: int) -> bool:
        """Return whether so many workers meet the goals of all models of the group."""
        p95_s = self.foretell(kind, rates, workers).p95_s
        return all(value <= self.plan.models[name].p95_goal_s for name, value in p95_s.items())

    def best_p95_s(self, kinds: Sequence[str], name: str, rate: float) -> float:
        """Return the shortest p95 that any number of workers of these kinds has."""
        best = inf
        for kind in kinds:
            load = self._load_of_all(kind, {name: rate})
            workers = min(MOST_WORKERS, ceil(load / IDLE_LOAD) or 1)
            best = min(best, self.foretell(kind, {name: rate}, workers).p95_s[name])
        return best

    def _load_of_all(self, kind: str, rates: Mapping[str, float]) -> float:
        return load_of(self.flows(kind, rates, 1), self.plan.devices[kind].lanes, self.plan.overheads)

    def _fewest(self, kind: str, rates: Mapping[str, float], most_load: float) -> int | None:
        if not any(rates.values()):
            return 0
        load = self._load_of_all(kind, rates)
        low = max(1, ceil(load / most_load - 1e-9))
        if self.meets(kind, rates, low):
            return low
        high = low
        while not self.meets(kind, rates, high):
            if load / high < IDLE_LOAD or high >= MOST_WORKERS:
                return None
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.meets(kind, rates, middle) else (middle, high)
        return high

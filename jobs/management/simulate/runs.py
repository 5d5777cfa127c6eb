"""Runs one simulation per load and measures how long each takes."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from jobs.core.relay.queue_depth import prefetch
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.plan import Crew, SimulationPlan
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.world import simulate
from jobs.management.simulate.simulation_arguments import LOADS, SimulationArguments
from jobs.management.simulate.sources import generated, models, recorded


@dataclass(frozen=True, slots=True)
class Run:
    """The report of one load, which is a share of `capacity_per_s`, and the real seconds that it took."""

    load: float
    capacity_per_s: float
    report: SimulationReport
    took_s: float

    @property
    def lane_s(self) -> float:
        """Return the virtual seconds of all lanes added up."""
        return self.report.lanes * self.report.span_s


def runs(arguments: SimulationArguments) -> Iterator[Run]:
    """Yield a run for the recorded jobs, or for the rate or each load of generated ones."""
    arrivals = recorded(arguments)
    if arrivals is not None:
        plan = plan_of(arguments, {arrival.version for arrival in arrivals})
        yield _run(arguments, plan, arrivals, _mean_size(arrivals))
        return
    plan = plan_of(arguments, {0})
    size = sum(arguments.sizes) // 2
    for rate_per_s in _rates_per_s(arguments, plan.capacity_per_s(size=size)):
        yield _run(arguments, plan, generated(arguments, rate_per_s, _chance(arguments.seed)), size)


def plan_of(arguments: SimulationArguments, versions: set[int]) -> SimulationPlan:
    """Return the plan that the arguments describe, for these model versions."""
    simulated = models(arguments, versions)
    largest = max(model.limits.max_batch for model in simulated.models.values())
    return SimulationPlan(
        simulated.models,
        Crew(arguments.workers, arguments.lanes, prefetch=arguments.prefetch or prefetch(largest)),
        simulated.overheads,
        sheds=arguments.shed,
        depth=arguments.depth,
    )


def _rates_per_s(arguments: SimulationArguments, capacity_per_s: float) -> list[float]:
    if arguments.rate is not None and arguments.loads is None:
        return [arguments.rate]
    return [load * capacity_per_s for load in arguments.loads or LOADS]


def _mean_size(arrivals: list[Arrival]) -> int:
    return max(1, round(sum(arrival.size for arrival in arrivals) / len(arrivals)))


def _run(arguments: SimulationArguments, plan: SimulationPlan, arrivals: Iterable[Arrival], size: int) -> Run:
    started = perf_counter()
    with _no_collector():
        report = simulate(plan, arrivals, _chance(arguments.seed + 1))
    version = next(iter(plan.models))
    capacity_per_s = plan.capacity_per_s(version=version, size=size)
    return Run(report.offered_per_s / capacity_per_s, capacity_per_s, report, perf_counter() - started)


def _chance(seed: int) -> Chance:
    return random.Random(seed).random  # noqa: S311  # it must be repeatable, not secret


@contextmanager
def _no_collector() -> Iterator[None]:
    """Turn the garbage collector off: it takes 15 % of a run, whose garbage can wait for its end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

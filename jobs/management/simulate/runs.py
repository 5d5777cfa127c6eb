"""One run a load, each timed against the clock on the wall."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from jobs.core.relay.queue_depth import prefetch
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.plan import Crew, Overheads, SimulationPlan, Timing
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.world import simulate
from jobs.management.simulate.simulation_arguments import LOADS, SimulationArguments
from jobs.management.simulate.sources import made_up, models, recorded


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one load, a share of `capacity_per_s`, and the wall's seconds that it took."""

    load: float
    capacity_per_s: float
    report: SimulationReport
    took_s: float

    @property
    def lane_s(self) -> float:
        """Return the virtual seconds of all lanes together."""
        return self.report.lanes * self.report.span_s


def runs(asked: SimulationArguments) -> Iterator[Run]:
    """Yield a run for each load, the rate, or what is recorded."""
    found = recorded(asked)
    if found is not None:
        plan = plan_of(asked, {arrival.version for arrival in found})
        yield _run(asked, plan, found, _mean_size(found))
        return
    plan = plan_of(asked, {0})
    size = sum(asked.sizes) // 2
    capacity_per_s = plan.capacity_per_s(size=size)
    for rate_per_s in _rates_per_s(asked, capacity_per_s):
        yield _run(asked, plan, made_up(asked, rate_per_s, _chance(asked.seed)), size)


def plan_of(asked: SimulationArguments, versions: set[int]) -> SimulationPlan:
    """Return the plan that is asked for."""
    known = models(asked, versions)
    largest = max(model.limits.max_batch for model in known.values())
    held = asked.prefetch or prefetch(largest)
    return SimulationPlan(
        known,
        Crew(asked.workers, asked.lanes, prefetch=held),
        Overheads(asked.deliver_s, Timing(asked.claim_s), Timing(asked.settle_s)),
        sheds=asked.shed,
    )


def _rates_per_s(asked: SimulationArguments, capacity_per_s: float) -> list[float]:
    if asked.rate is not None and asked.loads is None:
        return [asked.rate]
    return [load * capacity_per_s for load in asked.loads or LOADS]


def _mean_size(arrivals: list[Arrival]) -> int:
    return max(1, round(sum(arrival.size for arrival in arrivals) / len(arrivals)))


def _run(asked: SimulationArguments, plan: SimulationPlan, arrivals: Iterable[Arrival], size: int) -> Run:
    started = perf_counter()
    with _no_collector():
        report = simulate(plan, arrivals, _chance(asked.seed + 1))
    version = next(iter(plan.models))
    capacity_per_s = plan.capacity_per_s(version=version, size=size)
    return Run(report.offered_per_s / capacity_per_s, capacity_per_s, report, perf_counter() - started)


def _chance(seed: int) -> Chance:
    return random.Random(seed).random  # noqa: S311  # to be repeated, not to be secret


@contextmanager
def _no_collector() -> Iterator[None]:
    """Leave the garbage collector off: it cost a run 15 %, and a simulation makes no cycles to collect."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

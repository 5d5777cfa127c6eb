"""The critical minutes of a plan in the simulator, which runs the product's own policy.

Workers of a group are equal in what they get, so a few of them say what all do: from some eight on the
latencies of more differ by little, and fewer are the worse case.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from math import ceil, inf, log1p
from typing import NamedTuple

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.planning.fluid import ModelFlow, batch_size
from jobs.core.planning.plan_file import BatchOverheads, PlanInput
from jobs.core.planning.worker_need import WorkerNeeds
from jobs.core.relay.queue_depth import prefetch
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.plan import Crew, Model, Overheads, SimulationPlan, Timing
from jobs.core.simulation.world import simulate

FEWEST, MOST = 4, 12  # simulated workers
WARM_UP, CYCLES = 60, 200  # batches of a worker: until its estimates have settled, and all
LEAST_JOBS, AIM_JOBS, MOST_JOBS = 6_000, 30_000, 80_000
P95 = 0.95


class SimulatedCrew(NamedTuple):
    """How many workers are simulated, and at most with how many jobs."""

    workers: int
    most_jobs: int = MOST_JOBS


class SimulatedMinutes(NamedTuple):
    """What a few simulated workers showed: p95 in seconds by model, of how many jobs and workers."""

    p95_s: dict[str, float]
    jobs: int
    workers: int


def simulated(  # one case's parts
    needs: WorkerNeeds,
    kind: str,
    rates: Mapping[str, float],
    workers: int,
    chance: Chance,
    *,
    crew: SimulatedCrew | None = None,
) -> SimulatedMinutes:
    """Simulate workers of a kind, each with its share of the jobs that `workers` share at these rates.

    Without a `crew` a few workers are simulated.
    """
    plan = needs.plan
    flows, lanes = needs.flows(kind, rates, workers), plan.devices[kind].lanes
    size = sum(batch_size(flow, flows, lanes) for flow in flows if flow.per_s) * lanes
    few = min(workers, MOST, max(FEWEST, round(AIM_JOBS / (CYCLES * size))))
    count, most_jobs = crew or SimulatedCrew(few)
    jobs = min(most_jobs, max(LEAST_JOBS, ceil(count * size * CYCLES)))
    report = simulate(
        SimulationPlan(_models(plan, rates, flows), _crew(flows, count, lanes), _overheads(plan.overheads)),
        _arrivals([flow.per_s * count for flow in flows], jobs, chance),
        chance,
    )
    warm = WARM_UP / CYCLES
    p95_s = {
        name: _p95(report.by_version[version], warm) if flow.per_s else 0.0
        for version, (name, flow) in enumerate(zip(rates, flows, strict=True))
    }
    return SimulatedMinutes(p95_s, jobs, count)


def _models(plan: PlanInput, rates: Mapping[str, float], flows: Sequence[ModelFlow]) -> dict[int, Model]:
    return {
        version: Model(
            Timing(flow.fixed_s, flow.per_job_s),
            BatchLimits(flow.max_batch, p95_goal_s=plan.models[name].p95_goal_s),
            queue=name,
        )
        for version, (name, flow) in enumerate(zip(rates, flows, strict=True))
    }


def _crew(flows: Sequence[ModelFlow], workers: int, lanes: int) -> Crew:
    return Crew(workers, lanes, prefetch=prefetch(max(flow.max_batch for flow in flows)))


def _overheads(own: BatchOverheads) -> Overheads:
    return Overheads(
        own.deliver_s,
        Timing(own.claim_s, own.claim_per_job_s),
        Timing(own.settle_s, own.settle_per_job_s),
    )


def _arrivals(rates_per_s: Sequence[float], jobs: int, chance: Chance) -> Iterator[Arrival]:
    ends = list(accumulate(rates_per_s))
    at_s = 0.0
    for _ in range(jobs):
        at_s -= log1p(-chance()) / ends[-1]
        yield Arrival(at_s, version=bisect(ends, chance() * ends[-1], 0, len(ends) - 1))


def _p95(latencies_s: Sequence[float], warm: float) -> float:
    """Return the p95 without the first jobs, while the workers learn; inf where none is left."""
    ordered = sorted(latencies_s[int(warm * len(latencies_s)) :])
    return ordered[max(0, ceil(P95 * len(ordered)) - 1)] if ordered else inf

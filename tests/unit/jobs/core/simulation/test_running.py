"""Lanes that share processors slow each other down, and scarce processors make batches larger."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, bursts, poisson
from jobs.core.simulation.plan import Crew, Model, Overheads, SimulationPlan, Timing
from jobs.core.simulation.running import Running
from jobs.core.simulation.world import simulate


def test_runs_that_overlap_are_longer_by_the_part_that_they_overlap() -> None:
    agenda, took_s = Agenda(), list[tuple[str, float]]()
    running = Running(agenda)
    running.start(1.0, 1.0, lambda s: took_s.append(("first", s)))
    agenda.at(0.5, lambda: running.start(1.0, 1.0, lambda s: took_s.append(("second", s))))
    agenda.finish()
    # Half alone, then half at half the speed; the second has half left then.
    assert dict(took_s) == pytest.approx({"first": 1.5, "second": 1.5})


@pytest.mark.parametrize(("crowding", "faster"), [(0.0, 2.0), (0.5, 4 / 3), (1.0, 1.0)])
def test_a_second_lane_helps_as_far_as_the_lanes_do_not_slow_each_other(
    crowding: float, faster: float
) -> None:
    model = Model(Timing(0.04, crowding=crowding), BatchLimits(max_batch=8))
    jobs = list(bursts(1_600, 1.0, random.Random(1).random, until_s=1.0))
    one, two = (
        simulate(SimulationPlan({0: model}, Crew(lanes=lanes)), jobs, random.Random(1).random)
        for lanes in (1, 2)
    )
    assert one.span_s / two.span_s == pytest.approx(faster, rel=0.05)
    plan = SimulationPlan({0: model}, Crew(lanes=2))
    assert plan.capacity_per_s() == pytest.approx(two.throughput_per_s, rel=0.05)


def test_where_processors_are_scarce_batches_wait_for_company() -> None:
    model = Model(Timing(0.004), BatchLimits(max_batch=32))
    overheads = Overheads(0.0, Timing(0.01), Timing(0.01))
    roomy = SimulationPlan({0: model}, overheads=overheads)
    jobs: list[Arrival] = list(poisson(200.0, random.Random(1).random, until_s=20.0))
    idle = simulate(roomy, jobs, random.Random(1).random)
    busy = simulate(replace(roomy, crew=Crew(busy=1.0)), jobs, random.Random(1).random)
    assert busy.mean_batch > 1.3 * idle.mean_batch

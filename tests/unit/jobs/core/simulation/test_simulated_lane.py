"""Fast jobs beside many slow ones in virtual time: with a slow lane their p99 is nearly what it is alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import pytest

from jobs.core.batching.lane_choice import Lane
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.relay.queue_depth import prefetch
from jobs.core.simulation.arrivals import Arrival, poisson
from jobs.core.simulation.plan import Crew, Model, Overheads, SimulationPlan, Timing
from jobs.core.simulation.simulated_lane import SlowLane
from jobs.core.simulation.world import simulate

FAST, SLOW = 0, 1
SLOW_JOBS = 10_000
OVERHEADS = Overheads(0.004, Timing(0.004), Timing(0.006))


def plan(lane: Lane, lanes: int, **limits: float) -> SimulationPlan:
    fast = Model(Timing(0.010, 0.001, jitter=0.2), BatchLimits(16))
    slow = Model(Timing(0.2, 0.15, jitter=0.2), BatchLimits(16, lane=lane, **limits))  # type: ignore[arg-type]  # seconds
    return SimulationPlan({FAST: fast, SLOW: slow}, Crew(lanes=lanes, prefetch=prefetch(16)), OVERHEADS)


def fast_jobs(seed: int, until_s: float = 60.0) -> list[Arrival]:
    return list(poisson(40.0, random.Random(seed).random, until_s=until_s))


def p99_s(given: SimulationPlan, fast: Sequence[Arrival], slow_jobs: int, seed: int) -> float:
    # All of one client and at once: only their lane tells them from the fast ones.
    slow = [Arrival(0.0, version=SLOW) for _ in range(slow_jobs)]
    report = simulate(given, [*slow, *fast], random.Random(seed).random)
    waits_s = sorted(report.by_version[FAST])
    assert len(waits_s) == len(fast)
    assert len(report.by_version[SLOW]) == slow_jobs
    return waits_s[ceil(0.99 * len(waits_s)) - 1]


@pytest.mark.parametrize("lane", [Lane.SLOW, Lane.AUTO])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_beside_10000_slow_jobs_on_two_lanes_the_p99_is_at_most_half_as_much_again(
    seed: int, lane: Lane
) -> None:
    fast = fast_jobs(seed)
    alone_s = p99_s(plan(lane, 2), fast, 0, seed)
    assert p99_s(plan(lane, 2), fast, SLOW_JOBS, seed) <= 1.5 * alone_s


def test_without_a_slow_lane_the_same_jobs_wait_many_times_as_long() -> None:
    fast = fast_jobs(1)
    alone_s = p99_s(plan(Lane.FAST, 2), fast, 0, 1)
    assert p99_s(plan(Lane.FAST, 2), fast, SLOW_JOBS, 1) > 10 * alone_s


def test_on_one_lane_a_fast_job_waits_for_about_one_slice() -> None:
    fast = fast_jobs(1)
    alone_s = p99_s(plan(Lane.SLOW, 1), fast, 0, 1)
    sliced_s = p99_s(plan(Lane.SLOW, 1, slow_slice_s=0.5), fast, 2_000, 1)
    assert sliced_s <= 1.3 * 0.5 + 2 * alone_s


def test_slow_jobs_are_all_answered_beside_fast_ones_without_end() -> None:
    fast = list(poisson(400.0, random.Random(5).random, until_s=60.0))  # nearly what one lane can do
    p99_s(plan(Lane.SLOW, 2), fast, 200, 5)


def test_jobs_go_to_the_slow_lane_by_their_predicted_time_whatever_the_version() -> None:
    limits = BatchLimits(8, 4_000, padded=True)
    lane = SlowLane({0: Model(Timing(0.1, 0.001), limits, slow_above_s=1.1)})
    assert not lane.takes(Arrival(0.0, size=999))
    assert lane.takes(Arrival(0.0, size=1_001))


def test_a_plan_without_slow_versions_has_no_slow_lane() -> None:
    models = dict(plan(Lane.FAST, 2).models)
    assert not SlowLane(models).versions
    judged = {v: replace(m, limits=replace(m.limits, lane=Lane.AUTO)) for v, m in models.items()}
    assert SlowLane(judged).versions == {SLOW}

"""The relay in virtual time: what it holds back, in which order it publishes, and how it paces retries."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from math import remainder

import pytest

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation import feed
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.feed import QueueFeed
from jobs.core.simulation.plan import Crew, Model, SimulationPlan, Timing
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.world import simulate
from jobs.services.relay import feeder, quick_take, relay
from models_registry.core.options import RetryOptions

SINGLY = BatchLimits(max_batch=1)
SLOW = SimulationPlan({0: Model(Timing(0.1), SINGLY)}, Crew(prefetch=4))


class Sink:
    def __init__(self) -> None:
        self.messages = list[tuple[list[Arrival], int]]()

    def publish(self, arrivals: Sequence[Arrival], level: int) -> None:
        self.messages.append((list(arrivals), level))

    @property
    def jobs(self) -> list[Arrival]:
        return [arrival for arrivals, _ in self.messages for arrival in arrivals]


def fed(plan: SimulationPlan) -> tuple[QueueFeed, Agenda, Sink]:
    agenda, sink = Agenda(), Sink()
    return QueueFeed(plan, plan.models, agenda, random.Random(1).random, sink), agenda, sink


def run(plan: SimulationPlan, jobs: Sequence[Arrival], seed: int = 1) -> SimulationReport:
    return simulate(plan, jobs, random.Random(seed).random)


def test_its_settings_are_the_relay_s() -> None:
    assert (feed.MOST, feed.FEW) == (feeder.MOST, quick_take.FEW)
    assert (feed.POLL_S, feed.FULL_S) == (relay.POLL_S, feeder.FULL_S)


def test_no_more_is_in_flight_than_the_depth_until_a_claim_makes_room() -> None:
    given, agenda, sink = fed(replace(SLOW, depth=50))
    jobs = [Arrival(0.0) for _ in range(80)]
    for job in jobs:
        given.add(job)
    agenda.advance(0.5)
    assert sink.jobs == jobs[:50]
    given.claimed(jobs[:20])
    agenda.advance(0.6)
    assert sink.jobs == jobs[:70]


def came_at(at_s: float, report: SimulationReport) -> list[float]:
    """Return the latencies of jobs that came at `at_s`: every run of `SLOW` ends at a multiple of 0.1 s."""
    return [latency_s for latency_s in report.latencies_s if abs(remainder(latency_s + at_s, 0.1)) < 1e-6]


def test_a_shallow_queue_keeps_the_exact_order_of_priorities() -> None:
    """Priorities 3 and 4 share a level of the broker, where the one that was published first goes first."""
    jobs = [Arrival(0.0, priority=3) for _ in range(60)] + [Arrival(0.05, priority=4) for _ in range(5)]
    shallow, deep = (came_at(0.05, run(replace(SLOW, depth=depth), jobs)) for depth in (4, 1_000))
    assert len(shallow) == len(deep) == 5
    assert max(shallow) < 1.0
    assert min(deep) > 5.0


def test_a_quiet_client_s_job_overtakes_the_backlog_of_another() -> None:
    backlog = [Arrival(0.0, client=1) for _ in range(300)]
    fair, alone = (
        came_at(1.03, run(replace(SLOW, depth=64), [*backlog, Arrival(1.03, client=client)]))
        for client in (2, 1)
    )
    assert fair[0] < 8.0
    assert alone[0] > 25.0


def test_jobs_share_messages_only_where_many_are_due() -> None:
    model = Model(Timing(0.1), BatchLimits(max_batch=64))
    given, agenda, sink = fed(SimulationPlan({0: model}))
    for _ in range(500):
        given.add(Arrival(0.0))
    agenda.advance(0.1)
    assert len(sink.jobs) == 500
    assert max(len(arrivals) for arrivals, _ in sink.messages) > 1
    few, agenda, sink = fed(SimulationPlan({0: model}))
    few.add(Arrival(0.0))
    few.add(Arrival(0.0))
    agenda.advance(0.1)
    assert [len(arrivals) for arrivals, _ in sink.messages] == [1, 1]


def test_the_time_of_a_look_slows_a_backlog_down() -> None:
    model = Model(Timing(0.0001), BatchLimits(max_batch=64))
    jobs = [Arrival(0.0) for _ in range(4_000)]
    quick = SimulationPlan({0: model}, Crew(prefetch=10_000))
    slow = replace(quick, overheads=replace(quick.overheads, look=Timing(0.0, 0.001)))
    assert run(slow, jobs).span_s > 2.0 > 4.0 * run(quick, jobs).span_s


@pytest.mark.parametrize("failing", [0.0, 0.3])
def test_a_failed_attempt_waits_for_its_retry(failing: float) -> None:
    retry = RetryOptions(base_s=20.0, cap_s=20.0, floor_per_s=1e6)
    model = Model(Timing(0.01), SINGLY, failing=failing, retry=retry, max_attempts=9)
    report = run(SimulationPlan({0: model}), [Arrival(number * 0.1) for number in range(200)])
    assert report.served == 200
    assert (report.retried > 30, report.latency_s(0.95) > 5.0) == (failing > 0, failing > 0)


def test_a_job_that_always_fails_is_dead_after_its_last_attempt() -> None:
    model = Model(Timing(0.01), SINGLY, failing=1.0, max_attempts=3)
    report = run(SimulationPlan({0: model}), [Arrival(0.0) for _ in range(10)])
    assert (report.served, report.dead, report.retried) == (0, 10, 20)


def test_retries_over_the_budget_are_put_off() -> None:
    retry = RetryOptions(base_s=0.0, cap_s=0.0, share=0.0, floor_per_s=2.0)
    model = Model(Timing(0.001), SINGLY, failing=1.0, retry=retry, max_attempts=2)
    report = run(SimulationPlan({0: model}), [Arrival(0.0) for _ in range(40)])
    assert report.dead == 40
    assert report.span_s == pytest.approx(20.0, rel=0.2)  # 40 retries at two a second

"""The simulation holds to closed forms where there are some, and to the laws of queues everywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.core.batching.sealed_batch import BatchLimits, SealReason
from jobs.core.simulation import world
from jobs.core.simulation.admission_control import AdmissionControl
from jobs.core.simulation.arrivals import Arrival, bursts, poisson
from jobs.core.simulation.feed import QueueFeed
from jobs.core.simulation.plan import Crew, Model, Overheads, SimulationPlan, Timing
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.worker import SimulatedWorker
from jobs.core.simulation.world import simulate
from tests.unit.jobs.core.simulation.plans import arrivals, plan, plans

SINGLY = BatchLimits(max_batch=1)
MODEL = Timing(0.04, 0.0005)
FULL = BatchLimits(max_batch=32)
FULL_S = 0.056  # the first few of a heap find the device idle and a policy that knows nothing: they run alone
ROOMY = Crew(prefetch=10**6)


def run(given_plan: SimulationPlan, given_arrivals: list[Arrival], seed: int = 1) -> SimulationReport:
    return simulate(given_plan, given_arrivals, random.Random(seed).random)


def heap(count: int) -> list[Arrival]:
    return list(bursts(count, 1.0, random.Random(1).random, until_s=1.0))


def loaded(given_plan: SimulationPlan, rate_per_s: float, *, count: int, seed: int = 1) -> SimulationReport:
    chance = random.Random(seed).random
    return simulate(given_plan, poisson(rate_per_s, chance, count=count), chance)


def test_counts_that_see_nothing_new_are_left_out_and_change_nothing() -> None:
    rare = plan(Timing(0.01), SINGLY, crew=ROOMY, sheds=True)
    counts, whole = list[float](), AdmissionControl.count

    def counted(control: AdmissionControl, now: float) -> object:
        counts.append(now)
        return whole(control, now)

    with patch.object(AdmissionControl, "count", counted):
        few = loaded(rare, 0.01, count=30)
        in_few = len(counts)
        with patch.object(world, "QUIET_S", 1e9):
            every = loaded(rare, 0.01, count=30)
    assert few.latencies_s == every.latencies_s
    assert in_few < 30 * 30 < len(counts) - in_few


@pytest.mark.parametrize("load", [0.3, 0.5, 0.8])
def test_single_items_of_equal_time_form_an_m_d_1_queue(load: float) -> None:
    report = loaded(plan(Timing(0.01), SINGLY, crew=ROOMY), load / 0.01, count=40_000)
    wait_s = load * 0.01 / (2.0 * (1.0 - load))  # Pollaczek and Khinchine
    assert report.mean_latency_s - 0.01 == pytest.approx(wait_s, rel=0.05)
    assert report.utilisation == pytest.approx(load, rel=0.02)


def test_service_that_varies_waits_as_long_as_an_m_g_1_queue() -> None:
    run_time = Timing(0.01, jitter=1.0)  # even from 0 to 20 ms: a squared coefficient of variation of 1/3
    report = loaded(plan(run_time, SINGLY, crew=ROOMY), 70.0, count=40_000)
    wait_s = 0.7 * 0.01 * (1.0 + 1.0 / 3.0) / (2.0 * 0.3)
    assert report.mean_latency_s - 0.01 == pytest.approx(wait_s, rel=0.05)


def test_a_heap_of_jobs_drains_in_full_batches_back_to_back() -> None:
    report = run(plan(MODEL, FULL, crew=ROOMY), heap(3_200))
    assert report.span_s == pytest.approx(100 * FULL_S, rel=0.02)
    assert report.utilisation == pytest.approx(1.0, rel=1e-6)
    assert report.seals[SealReason.FULL] >= 99


def test_claim_and_settle_hide_behind_the_run_but_for_the_first_and_the_last() -> None:
    overheads = Overheads(2.0, Timing(0.03), Timing(0.04))
    report = run(plan(MODEL, FULL, crew=ROOMY, overheads=overheads), heap(3_200))
    assert report.span_s == pytest.approx(2.0 + 0.03 + 100 * FULL_S + 0.04, rel=0.02)


def test_a_settle_slower_than_the_run_sets_the_pace() -> None:
    report = run(
        plan(MODEL, FULL, crew=ROOMY, overheads=Overheads(settle=Timing(0.0, 0.1 / 32))), heap(3_200)
    )
    assert report.span_s == pytest.approx(FULL_S + 100 * 0.1, rel=0.03)


@pytest.mark.parametrize("crew", [Crew(lanes=2, prefetch=10**6), Crew(workers=2, prefetch=10**6)])
def test_twice_the_lanes_or_workers_drain_a_heap_in_half_the_time(crew: Crew) -> None:
    report = run(plan(MODEL, FULL, crew=crew), heap(6_400))
    assert report.span_s == pytest.approx(100 * FULL_S, rel=0.02)


def test_capacity_is_the_rate_at_which_a_backlog_drains() -> None:
    given_plan = plan(MODEL, FULL, crew=Crew(workers=3, prefetch=1_000))
    report = run(given_plan, heap(9_600))
    assert report.throughput_per_s == pytest.approx(given_plan.capacity_per_s(), rel=0.03)


def test_a_higher_priority_waits_less() -> None:
    jobs = [Arrival(0.0, priority=0) for _ in range(100)] + [Arrival(0.05, priority=9) for _ in range(10)]
    report = run(plan(Timing(0.1), SINGLY, crew=Crew(prefetch=4)), jobs)
    last_low_s, urgent = max(report.latencies_s), sorted(report.latencies_s)[:10]
    assert last_low_s == pytest.approx(11.0)
    assert max(urgent) < 2.0


def test_admission_keeps_an_overloaded_model_full_and_its_answers_in_time() -> None:
    given_plan = plan(MODEL, BatchLimits(max_batch=32, p95_goal_s=0.5), sheds=True)
    report = loaded(given_plan, 1_000.0, count=20_000)
    assert report.throughput_per_s > 0.98 * given_plan.capacity_per_s()
    assert report.latency_s(0.95) < 0.5
    assert report.refused > 0


def test_admission_refuses_no_job_below_capacity() -> None:
    limits = BatchLimits(max_batch=32, p95_goal_s=0.5)
    assert loaded(plan(MODEL, limits, sheds=True), 400.0, count=20_000).refused == 0


def test_a_job_whose_deadline_is_over_is_not_run() -> None:
    jobs = [Arrival(0.0, deadline_in_s=0.15) for _ in range(50)]
    report = run(plan(Timing(0.1), SINGLY, crew=ROOMY), jobs)
    assert report.expired == 50 - report.served
    assert report.busy_s == pytest.approx(0.2)  # the first, and one that was claimed while there was time


def test_an_answer_that_comes_after_the_deadline_counts_for_nothing() -> None:
    report = run(plan(Timing(0.1), SINGLY), [Arrival(0.0, deadline_in_s=0.05)])
    assert (report.served, report.expired, report.busy_s) == (0, 1, 0.1)


@settings(max_examples=150, deadline=None)
@given(given_plan=plans, jobs=arrivals(), seed=st.integers(0, 9))
def test_every_job_has_one_end_and_the_books_balance(
    given_plan: SimulationPlan, jobs: list[Arrival], seed: int
) -> None:
    report = run(given_plan, jobs, seed)
    assert report.offered == len(jobs) == report.served + report.refused + report.expired + report.dead
    assert report.batched == report.served + report.expired + report.dead + report.retried
    assert report.busy_s <= given_plan.lanes * report.span_s + 1e-9
    assert report.mean_batch <= max(model.limits.max_batch for model in given_plan.models.values())


@settings(max_examples=150, deadline=None)
@given(given_plan=plans, jobs=arrivals(), seed=st.integers(0, 9))
def test_no_job_is_faster_than_its_own_path(
    given_plan: SimulationPlan, jobs: list[Arrival], seed: int
) -> None:
    report = run(given_plan, jobs, seed)
    overheads = given_plan.overheads
    beside_s = overheads.deliver_s + overheads.claim.seconds(1, lambda: 0) + overheads.settle.seconds(1, int)
    least_s = min(model.run.seconds(1, lambda: 0.0) for model in given_plan.models.values())
    assert all(latency_s >= beside_s + least_s - 1e-9 for latency_s in report.latencies_s)
    assert not jobs or max(report.latencies_s, default=0.0) <= report.span_s + 1e-9


@settings(max_examples=100, deadline=None)
@given(
    given_plan=plans.map(lambda p: replace(p, crew=replace(p.crew, workers=1, lanes=1), sheds=False)),
    jobs=st.lists(st.sampled_from([0.0, 0.001, 0.05, 0.7]), max_size=60),
)
def test_equal_jobs_leave_one_lane_in_the_order_of_arrival(
    given_plan: SimulationPlan, jobs: list[float]
) -> None:
    at_s = [sum(jobs[: number + 1]) for number in range(len(jobs))]
    model = Model(given_plan.models[0].run, BatchLimits(max_batch=given_plan.models[0].limits.max_batch))
    alike = SimulationPlan({0: model}, given_plan.crew, given_plan.overheads, depth=given_plan.depth)
    report = run(alike, [Arrival(moment_s) for moment_s in at_s])
    ends_s = [came_s + took_s for came_s, took_s in zip(at_s, report.latencies_s, strict=True)]
    assert all(before <= after + 1e-9 for before, after in pairwise(ends_s))


@settings(max_examples=30, deadline=None)
@given(given_plan=plans, jobs=arrivals())
def test_the_same_chance_gives_the_same_report(given_plan: SimulationPlan, jobs: list[Arrival]) -> None:
    assert run(given_plan, jobs, seed=3) == run(given_plan, jobs, seed=3)


def warm(given_plan: SimulationPlan) -> SimulationPlan:
    """Return the plan without loads: while a version loads, batches end up to 0.2 ms later if asked less."""
    models = {number: replace(model, cold=False) for number, model in given_plan.models.items()}
    return replace(given_plan, models=models)


class AskingWorker(SimulatedWorker):
    """A worker that asks its policy at each message, as the product's does."""

    def deliver(self, arrivals: Sequence[Arrival]) -> None:
        super().deliver(arrivals)
        self._collect()


@settings(max_examples=30, deadline=None)
@given(given_plan=plans.map(warm), jobs=arrivals(), seed=st.integers(0, 9))
def test_what_is_not_asked_to_save_time_would_have_changed_nothing(
    given_plan: SimulationPlan, jobs: list[Arrival], seed: int
) -> None:
    quick = run(given_plan, jobs, seed)
    with (
        patch.object(world, "SimulatedWorker", AskingWorker),
        patch.object(QueueFeed, "_same", lambda *_: False),
        patch.object(AdmissionControl, "_may_refuse", lambda *_: True),
    ):
        assert run(given_plan, jobs, seed) == quick

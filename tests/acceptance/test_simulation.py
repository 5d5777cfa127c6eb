"""The simulator against a real run: the same arrivals give the same latencies and throughput within 15 %.

The model's timing is the registered one. Calibrated from the run itself are how much longer its runs took,
how long a job took to reach the worker, and the time of a batch beside its run.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from statistics import fmean, quantiles

import pytest

from inference_site.stack.harness import Stack
from inference_site.stack.specs import count_gpus
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation.arrivals import Arrival, poisson
from jobs.core.simulation.plan import Crew, Model, Overheads, SimulationPlan, Timing
from jobs.core.simulation.world import simulate
from jobs.management.commands.gpu_worker import default_lanes
from jobs.management.demo.figures import percentile
from tests.support.app import App, manage, register

# Runs take 0.3 s and more, so that the milliseconds of a busy machine do not count.
BASE_S, PER_ITEM_S, MAX_BATCH, GOAL_S = 0.25, 0.01, 8, 2.0
MODEL = "sleeper:paced"
POISSON_S, LOAD = 16.0, 0.7  # enough jobs that two lanes out of step leave p95 within some 3 %
BULK_PER_LANE = 200
WITHIN = 0.15
JOBS = """
SELECT extract(epoch FROM created_at)::float8, extract(epoch FROM finished_at)::float8, state
FROM jobs_job WHERE id = ANY(%s::uuid[]) ORDER BY created_at, id
"""
BATCHES = """
SELECT b.size, b.ran_s, extract(epoch FROM b.finished_at - b.claimed_at)::float8,
       extract(epoch FROM b.claimed_at - min(j.created_at))::float8 - b.waited_s
FROM jobs_batch b JOIN jobs_job j ON j.batch_id = b.id WHERE j.id = ANY(%s::uuid[]) GROUP BY b.id
"""


@dataclass(frozen=True)
class RealRun:
    """When jobs came and ended, in Unix seconds, and their batches: size, run, claim to end, delivery."""

    jobs: list[tuple[float, float]]
    batches: list[tuple[int, float, float, float]]

    @property
    def latencies_s(self) -> list[float]:
        return [end_s - came_s for came_s, end_s in self.jobs]

    @property
    def throughput_per_s(self) -> float:
        return len(self.jobs) / (max(end_s for _, end_s in self.jobs) - self.jobs[0][0])


def real_run(app: App, ids: list[str]) -> RealRun:
    assert app.all_finished(ids) == {"succeeded": len(ids)}
    jobs = [(came_s, end_s) for came_s, end_s, _ in app.rows(JOBS, ids)]
    return RealRun(
        jobs, [(size, ran_s, took_s, sent_s) for size, ran_s, took_s, sent_s in app.rows(BATCHES, ids)]
    )


def lanes() -> int:
    return default_lanes("cuda:0" if count_gpus() else "cpu")


def calibrated(run: RealRun) -> SimulationPlan:
    """Return the plan of the worker that ran it.

    A batch that waited for a lane shows nothing of the time beside its run: so the lowest quarter counts.
    """
    over_s = fmean(ran_s - BASE_S - PER_ITEM_S * size for size, ran_s, _, _ in run.batches)
    beside_s = quantiles([took_s - ran_s for _, ran_s, took_s, _ in run.batches], n=4)[0]
    deliver_s = fmean(sent_s for *_, sent_s in run.batches)
    model = Model(Timing(BASE_S + over_s, PER_ITEM_S), BatchLimits(MAX_BATCH, p95_goal_s=GOAL_S))
    return SimulationPlan(
        {0: model}, Crew(lanes=lanes()), Overheads(max(0.0, deliver_s), Timing(max(0.0, beside_s)))
    )


def assert_predicted(run: RealRun) -> None:
    plan = calibrated(run)
    report = simulate(plan, [Arrival(came_s) for came_s, _ in run.jobs], random.Random(1).random)
    predicted = (report.latency_s(0.5), report.latency_s(0.95), report.throughput_per_s)
    real = (percentile(run.latencies_s, 0.5), percentile(run.latencies_s, 0.95), run.throughput_per_s)
    print(f"p50 s, p95 s, jobs/s: predicted {predicted}, real {real}; {plan}")
    assert report.served == len(run.jobs)
    assert predicted == pytest.approx(real, rel=WITHIN)


@pytest.fixture(scope="module")
def paced(stack: Stack) -> None:
    words = ("--max-batch", str(MAX_BATCH), "--p95-goal-s", str(GOAL_S))
    register(stack, "sleeper", "paced", "sleeper", *words, base_s=BASE_S, per_item_s=PER_ITEM_S)


def test_the_simulator_predicts_single_posts(app: App, paced: None) -> None:
    app.finished(app.submit(MODEL, {})["id"])  # loaded from here on
    rate_per_s = LOAD * lanes() * MAX_BATCH / (BASE_S + PER_ITEM_S * MAX_BATCH)
    start, ids = time.monotonic(), []
    for arrival in poisson(rate_per_s, random.Random(3).random, until_s=POISSON_S):
        time.sleep(max(0.0, start + arrival.at_s - time.monotonic()))
        ids.append(app.submit(MODEL, {})["id"])
    assert_predicted(real_run(app, ids))


def test_the_simulator_predicts_a_bulk(app: App, paced: None) -> None:
    app.finished(app.submit(MODEL, {})["id"])
    assert_predicted(real_run(app, app.bulk(MODEL, [{}] * (lanes() * BULK_PER_LANE))))


def test_the_command_simulates_a_recorded_history(app: App, stack: Stack, paced: None) -> None:
    app.finished(app.submit(MODEL, {})["id"])
    output = manage(stack, "simulate", "--from-history", "sleeper", "--lanes", "2")
    assert "times as fast" in output

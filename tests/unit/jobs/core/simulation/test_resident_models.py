"""Cold loads, evictions, and several models on one worker."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from math import remainder

import pytest

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation import resident_models
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.plan import Crew, Model, SimulationPlan, Timing
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.world import simulate
from jobs.worker.loading import model_loader
from jobs.worker.stages import awaited_loads

WARM = Model(Timing(0.1), BatchLimits(max_batch=4), queue="a", load_s=3.0, memory_bytes=60)
TWO = SimulationPlan({1: WARM, 2: replace(WARM, queue="b")}, Crew(memory_bytes=100))


def run(plan: SimulationPlan, jobs: Sequence[Arrival]) -> SimulationReport:
    return simulate(plan, sorted(jobs, key=lambda job: job.at_s), random.Random(1).random)


def test_its_times_are_the_worker_s() -> None:
    assert resident_models.FRESH_S == model_loader.FRESH_S
    assert (resident_models.LEAST_S, resident_models.MOST_S) == (awaited_loads.LEAST_S, awaited_loads.MOST_S)


def test_the_first_jobs_of_a_cold_version_wait_for_its_load() -> None:
    jobs = [Arrival(number * 0.5, version=1) for number in range(10)]
    warm = run(SimulationPlan({1: WARM}), jobs)
    cold = run(SimulationPlan({1: replace(WARM, cold=True)}), jobs)
    assert max(warm.latencies_s) < 0.3
    assert max(cold.latencies_s) == pytest.approx(3.1, abs=0.05)
    assert cold.latency_s(0.3) < 0.3


def test_jobs_beyond_one_batch_are_put_back_while_the_version_is_loaded() -> None:
    cold = replace(WARM, cold=True, load_s=0.2)
    report = run(SimulationPlan({1: cold}), [Arrival(0.0, version=1) for _ in range(8)])
    assert report.served == 8
    ends_s = sorted(report.latencies_s)
    assert ends_s[3] == pytest.approx(0.3, abs=0.05)  # one batch, which waited at the worker
    assert ends_s[4] > 1.0  # the others came back after a second


def test_versions_that_do_not_fit_together_evict_each_other() -> None:
    jobs = [Arrival(10.0 * number, version=1 + number % 2) for number in range(8)]
    apart = run(TWO, jobs)
    together = run(replace(TWO, crew=Crew(memory_bytes=120)), jobs)
    assert max(together.latencies_s) < 0.3
    assert apart.latency_s(0.5) == pytest.approx(3.1, abs=0.05)


def test_a_load_waits_for_the_batches_of_the_version_that_it_evicts() -> None:
    slow = replace(WARM, run=Timing(2.0))
    plan = replace(TWO, models={1: slow, 2: replace(WARM, queue="b")})
    report = run(plan, [Arrival(0.0, version=1), Arrival(0.1, version=2)])
    assert max(report.latencies_s) == pytest.approx(1.9 + 3.0 + 0.1, abs=0.1)


def test_a_version_that_never_fits_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs 60 bytes"):
        run(replace(TWO, crew=Crew(memory_bytes=50)), [Arrival(0.0, version=1)])


def test_a_backlog_of_one_model_does_not_starve_another_of_the_same_workers() -> None:
    roomy = replace(TWO, crew=Crew(prefetch=8))
    jobs = [Arrival(0.0, version=1) for _ in range(400)]
    jobs += [Arrival(1.03 + number, version=2) for number in range(5)]
    one_queue = {version: replace(model, queue="") for version, model in roomy.models.items()}
    apart, shared = (
        # Every run ends at a multiple of 0.1 s, so these are the latencies of version 2.
        [s for s in run(plan, jobs).latencies_s if abs(remainder(s + 0.03, 0.1)) < 1e-6]
        for plan in (roomy, replace(roomy, models=one_queue))
    )
    assert len(apart) == len(shared) == 5
    assert max(apart) < 0.5
    assert min(shared) > 5.0


def test_two_models_share_the_lanes_of_a_worker() -> None:
    jobs = [Arrival(0.0, version=1 + number % 2) for number in range(800)]
    report = run(replace(TWO, crew=Crew(prefetch=1_000)), jobs)
    assert report.span_s == pytest.approx(800 / 4 * 0.1, rel=0.02)
    assert report.utilisation > 0.99

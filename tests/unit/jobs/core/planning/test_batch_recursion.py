"""The recursion over batches agrees with the simulator, which runs the product's policy."""

from __future__ import annotations

import pytest

from jobs.core.planning.batch_recursion import BatchRecursion
from jobs.core.planning.critical_minutes import simulated
from jobs.core.planning.fluid import ModelFlow, batch_size, cycle_s, load_of
from jobs.core.planning.plan_file import BatchOverheads
from jobs.core.planning.plan_reader import read_plan
from jobs.core.planning.worker_need import WorkerNeeds
from tests.unit.jobs.core.planning.documents import chance_of, document, no_history, read


def test_batches_settle_where_a_run_lasts_as_long_as_its_batch_gathers() -> None:
    flow = ModelFlow(400.0, 0.04, 0.0005, 32)
    assert cycle_s([flow], 1) == pytest.approx(0.05)
    assert batch_size(flow, [flow], 1) == pytest.approx(20.0)
    assert load_of([flow], 1, BatchOverheads(claim_s=0, settle_s=0)) == pytest.approx(0.7)


def test_a_slow_claim_fills_a_worker_before_its_device_does() -> None:
    flow = ModelFlow(400.0, 0.001, 0.0, 10)
    assert load_of([flow], 1, BatchOverheads(claim_s=0.02)) == pytest.approx(0.8)


@pytest.mark.parametrize(("rate", "workers"), [(150.0, 1), (400.0, 4), (500.0, 12)])
def test_p95_is_that_of_the_simulator(rate: float, workers: int) -> None:
    plan = read()
    needs = WorkerNeeds(plan, BatchRecursion(chance_of, 1, plan.overheads))
    rates = {"minilm": rate * workers}
    seen = simulated(needs, "l4", rates, workers, chance_of(2))
    foretold = needs.foretell("l4", rates, workers)
    assert foretold.p95_s["minilm"] == pytest.approx(seen.p95_s["minilm"], rel=0.05)


def test_p95_of_models_that_share_workers_is_that_of_the_simulator() -> None:
    own = document(models__minilm__arrivals_per_s=[200])
    own["models"]["rerank"] = {**own["models"]["minilm"], "fixed_s": 0.02, "per_job_s": 0.02, "max_batch": 8}
    plan = read_plan(own, no_history)
    needs = WorkerNeeds(plan, BatchRecursion(chance_of, 1, plan.overheads))
    rates = {"minilm": 800.0, "rerank": 60.0}
    seen = simulated(needs, "l4", rates, 4, chance_of(2))
    foretold = needs.foretell("l4", rates, 4)
    assert foretold.p95_s == pytest.approx(seen.p95_s, rel=0.15)


def test_beyond_what_can_be_done_the_wait_has_no_end() -> None:
    recursion = BatchRecursion(chance_of, 1, BatchOverheads())
    assert recursion.p95_s([ModelFlow(600.0, 0.04, 0.0005, 32)], 1, 4) == [float("inf")]
    assert recursion.p95_s([ModelFlow(0.0, 0.04, 0.0005, 32)], 1, 4) == [0.0]

"""Fast and slow jobs of one model on the running stack: queues, lanes of workers, and who takes what."""

from __future__ import annotations

import time
from itertools import count

import pytest

from inference_site.stack.harness import Stack
from jobs.core.queue_names import slow_queue
from tests.support.app import App, manage, register
from tests.support.own_worker import consumers, own_worker
from tests.support.wait import wait_until

_number = count()
# Of two slow batches of one worker, the time for which both ran.
OVERLAP = """
SELECT count(*) FROM jobs_batch a JOIN jobs_batch b ON a.worker_id = b.worker_id AND a.id < b.id
JOIN models_registry_modelversion v ON v.id = a.version_id
WHERE a.version_id = b.version_id AND v.version = 'slow'
  AND a.members && %s::uuid[] AND b.members && %s::uuid[]
  AND a.finished_at - make_interval(secs => a.ran_s) < b.finished_at - make_interval(secs => 0.05)
  AND b.finished_at - make_interval(secs => b.ran_s) < a.finished_at - make_interval(secs => 0.05)
"""
LANES = "SELECT DISTINCT slow FROM jobs_batch WHERE members && %s::uuid[]"
STANDING = "SELECT slow_from, per_s FROM jobs_queuestanding WHERE queue = %s"


@pytest.fixture
def model(stack: Stack) -> str:
    """Return a model with a fast and a slow version; the slow one is registered last."""
    name = f"laned{next(_number)}"
    register(stack, name, "fast", "sleeper", "--max-batch", "8", "--alias", "default", base_s=0.01)
    return name


def add_slow(stack: Stack, app: App, model: str, lane: str = "slow") -> None:
    register(stack, model, "slow", "sleeper", "--max-batch", "4", base_s=1.2, lane=lane)
    wait_until(lambda: app.rows(STANDING, slow_queue(model)), what="a count of the slow lane")
    if lane == "slow":
        wait_until(lambda: app.rows(STANDING, model)[0][0], what="the surveyor's judgement")


def test_fast_jobs_pass_many_slow_ones_on_two_lanes(stack: Stack, app: App, model: str) -> None:
    add_slow(stack, app, model)
    with own_worker(stack, model, index=61, options=["--lanes", "2"]):
        assert consumers(stack, slow_queue(model)) == 1
        slow = app.bulk(f"{model}:slow", [{"n": n} for n in range(40)])
        wait_until(lambda: app.states(slow).get("running"))
        began, fast = time.monotonic(), [app.submit(model, {"n": n})["id"] for n in range(20)]
        assert app.all_finished(fast) == {"succeeded": 20}
        assert time.monotonic() - began < 8.0
        assert app.states(slow)["queued"] > 0, "the slow jobs had ended: nothing was shown"
        assert app.all_finished(slow, timeout_s=120) == {"succeeded": 40}
        assert app.rows(OVERLAP, slow, slow) == [(0,)]
        assert app.rows(LANES, slow) == [(True,)]
        assert app.rows(LANES, fast) == [(False,)]
        app.assert_each_ran_to_one_result([*slow, *fast])


def test_a_worker_takes_up_a_slow_lane_that_its_model_gets_later(stack: Stack, app: App, model: str) -> None:
    with own_worker(stack, model, index=62):
        assert consumers(stack, slow_queue(model)) == 0
        add_slow(stack, app, model)
        wait_until(lambda: consumers(stack, slow_queue(model)) == 1)
        assert app.finished(app.submit(f"{model}:slow", {})["id"])["state"] == "succeeded"


def test_workers_of_one_lane_leave_the_other_lane_alone(stack: Stack, app: App, model: str) -> None:
    add_slow(stack, app, model)
    with own_worker(stack, model, index=63, options=["--lane", "fast"]):
        waiting = app.submit(f"{model}:slow", {})["id"]
        assert app.finished(app.submit(model, {})["id"])["state"] == "succeeded"
        assert consumers(stack, slow_queue(model)) == 0
        assert app.job(waiting)["state"] == "queued"
        options = ["--lane", "slow", "--lanes", "2"]
        with own_worker(stack, model, index=64, queue=slow_queue(model), options=options):
            assert consumers(stack, model) == 1
            slow = [waiting, *app.bulk(f"{model}:slow", [{"n": n} for n in range(12)])]
            assert app.all_finished(slow, timeout_s=120) == {"succeeded": 13}
    workers = "SELECT DISTINCT lane FROM jobs_worker JOIN jobs_batch b ON b.worker_id = jobs_worker.id"
    assert app.rows(f"{workers} WHERE b.members && %s::uuid[]", slow) == [("slow",)]


def test_a_version_that_is_to_be_judged_goes_to_the_slow_lane_once_its_runs_are_known(
    stack: Stack, app: App, model: str
) -> None:
    add_slow(stack, app, model, lane="auto")
    with own_worker(stack, model, index=65, options=["--lanes", "2"]):
        app.all_finished([app.submit(ref, {})["id"] for ref in (model, f"{model}:slow")])
        wait_until(lambda: app.rows(STANDING, model)[0][0], what="the surveyor's judgement")
        wait_until(
            lambda: app.rows(LANES, [app.finished(app.submit(f"{model}:slow", {})["id"])["id"]]) == [(True,)],
            what="a job of the slow lane",
        )


def test_a_worker_for_slow_jobs_is_refused_where_its_model_has_none(stack: Stack, model: str) -> None:
    words = ["--cpu", "--models", model, "--index", "66"]
    with pytest.raises(AssertionError, match=f"No version of {model} has slow jobs.*without --lane"):
        manage(stack, "gpu_worker", *words, "--lane", "slow")
    with pytest.raises(AssertionError, match="--lane: invalid choice: 'middle'"):
        manage(stack, "gpu_worker", *words, "--lane", "middle")

"""An autoscaler on the running stack: from zero, adoption, two hosts, and scale events under load."""

from __future__ import annotations

import signal
from datetime import datetime
from typing import Any

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App
from tests.support.autoscaling import FIRST_INDEX, RunningAutoscaler, autoscaling
from tests.support.scale_cycles import MODEL, cycle, events, faults, register_scaled, starts
from tests.support.wait import wait_until

PLACES = 2
OPTIONS = ("--models", MODEL, "--cpu", str(PLACES), "--lanes", "1")
BEYOND_START_S = 3.0
START = "SELECT start_s FROM jobs_autoscaler WHERE ended_at IS NULL AND start_s IS NOT NULL"
STANDING = "SELECT answer_s, worker_per_s FROM jobs_queuestanding WHERE queue = %s"
WORKERS = "SELECT workers FROM jobs_queuestanding WHERE queue = %s"
LIVE = "SELECT pid FROM jobs_worker WHERE node LIKE %s AND ended_at IS NULL"


@pytest.fixture(scope="module", autouse=True)
def _model(stack: Stack) -> None:
    register_scaled(stack)


def seconds_of(job: dict[str, Any]) -> float:
    ends: list[Any] = [datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at")]
    return float((ends[1] - ends[0]).total_seconds())


def test_scale_events_lose_no_job_and_from_zero_the_estimate_is_a_start_up(stack: Stack, app: App) -> None:
    with autoscaling(stack, *OPTIONS) as scaler:
        ids = cycle(app, scaler, PLACES)
        assert app.all_finished(ids, timeout_s=300.0) == {"succeeded": len(ids)}
        assert app.attempts(ids) == {1: len(ids)}
        app.assert_each_ran_to_one_result(ids)
        assert events(scaler) >= 3, scaler.log
        assert faults(scaler) == 0, scaler.log
        _assert_from_zero(app, scaler)


def _assert_from_zero(app: App, scaler: RunningAutoscaler) -> None:
    """Check a job's estimate without a worker, and that its result is there soon after the start-up."""
    wait_until(lambda: not scaler.workers() and app.rows(WORKERS, MODEL) == [(0,)])
    ((learned_s,),), ((answer_s, worker_per_s),) = app.rows(START), app.rows(STANDING, MODEL)
    job = app.submit(MODEL, {"n": 1})
    eta_s = wait_until(lambda: app.job(job["id"])["eta_s"], what="an estimate without a worker")
    # The job itself takes a second, by which the estimate knows its rate as well.
    said = (eta_s, learned_s, answer_s, worker_per_s)
    assert -BEYOND_START_S <= eta_s - learned_s <= BEYOND_START_S + 2 * answer_s, said
    took_s = seconds_of(app.finished(job["id"]))
    ((start_s,),) = app.rows(START)
    assert took_s <= start_s + BEYOND_START_S + answer_s, (took_s, start_s, answer_s)


def test_a_killed_autoscaler_s_worker_is_adopted_by_the_one_that_waited(stack: Stack, app: App) -> None:
    words = (*OPTIONS, "--min", "1")
    with autoscaling(stack, *words, log="first") as first:
        (worker,) = wait_until(first.workers)
        with autoscaling(stack, *words, log="second") as second:
            second.wait_for_log(f"waits: process {first.process.pid}, of {MODEL}, is this host's autoscaler")
            first.end(signal.SIGKILL)  # its worker still starts
            second.wait_for_log(f"adopts gpu-worker-{FIRST_INDEX} (process {worker.pid})")
            wait_until(lambda: app.rows(LIVE, f"gpu-{FIRST_INDEX}@%") == [(worker.pid,)])
            assert app.finished(app.submit(MODEL, {"n": 1})["id"])["attempts"] == 1
            assert [process.pid for process in second.workers()] == [worker.pid]
            assert "starts gpu-worker" not in second.log


def test_two_hosts_start_one_worker_for_one_job(stack: Stack, app: App) -> None:
    with (
        autoscaling(stack, *OPTIONS, host="host-a", log="host-a") as one,
        autoscaling(stack, *OPTIONS, host="host-b", log="host-b") as other,
    ):
        live = "SELECT count(*) FROM jobs_autoscaler WHERE ended_at IS NULL AND host LIKE 'host-_'"
        wait_until(lambda: app.rows(live) == [(2,)])
        app.finished(app.submit(MODEL, {"n": 1})["id"])
        assert starts(one) + starts(other) == 1, (one.log, other.log)

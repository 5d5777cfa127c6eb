"""Place and estimate on the running stack: no worker, one worker, another's backlog, an open circuit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx

from inference_site.stack.harness import Stack
from tests.support.app import JOBS, App, manage, register
from tests.support.own_worker import own_worker
from tests.support.wait import wait_until

RUN_S, BATCH = 0.5, 4
JOBS_PER_S = BATCH / RUN_S
INDEX = 31


@contextmanager
def paced(stack: Stack, app: App, model: str) -> Iterator[None]:
    """Run a worker of a model that takes half a second for four jobs, of which a first run is measured."""
    words = ("--alias", "default", "--max-batch", str(BATCH))
    register(stack, model, "1", "sleeper", *words, base_s=RUN_S)
    with own_worker(stack, model, index=INDEX):
        app.all_finished(app.bulk(model, [{"warm": n} for n in range(4 * BATCH)]))
        measured = "SELECT count(*) FROM jobs_queuestanding WHERE queue = %s AND per_s > 0"
        wait_until(lambda: app.rows(measured, model) == [(1,)])
        yield


def left_s(app: App, job: str, since: float) -> float:
    """Return how long after `since`, in seconds of Unix time, the job ended."""
    ended: Any = app.finished(job)["finished_at"]
    return datetime.fromisoformat(ended).timestamp() - since


def looked(app: App, job: str) -> tuple[float, dict[str, Any]]:
    return time.time(), app.job(job)


def assert_close(view: dict[str, Any], left: float) -> None:
    assert view["eta_unknown"] is None
    assert abs(view["eta_s"] - left) <= 1.0 + 0.3 * left, (view["eta_s"], left, view["queue_position"])


def test_jobs_of_one_client_know_their_places_while_one_worker_runs_them(stack: Stack, app: App) -> None:
    with paced(stack, app, "alone"):
        jobs = app.bulk("alone", [{"n": n} for n in range(80)])
        looks = []
        for pause_s in (1.5, 1.5, 1.5):
            time.sleep(pause_s)  # how an estimate holds over time is what is measured
            looks += [(at, *looked(app, jobs[at])) for at in (50, 65, 79)]
        app.all_finished(jobs)
        for at, since, view in looks:
            left = left_s(app, jobs[at], since)
            assert_close(view, left)
            assert abs(view["queue_position"] - left * JOBS_PER_S) <= 4 * BATCH


def test_a_backlog_of_another_client_is_shared_in_turns(stack: Stack, app: App) -> None:
    token = manage(stack, "create_token", "neighbour").split()[-1]
    with (
        paced(stack, app, "paced-for-two"),
        httpx.Client(base_url=stack.info["api"], headers={"Authorization": f"Bearer {token}"}) as neighbour,
    ):
        others = [{"model": "paced-for-two", "input": {"n": n}} for n in range(80)]
        answer = neighbour.post(f"{JOBS}/bulk", json=others).json()
        time.sleep(1.5)  # a backlog that has been counted and measured
        since, view = time.time(), app.submit("paced-for-two", {"mine": 1})
        left = left_s(app, view["id"], since)
        app.all_finished([item["id"] for item in answer["jobs"]])
    assert view["queue_position"] < 40
    assert_close(view, left)


def test_without_a_worker_a_job_says_so_and_its_wait_is_counted(stack: Stack, app: App) -> None:
    register(stack, "lonely", "1", "echo", "--alias", "default")
    jobs = app.bulk("lonely", [{"n": n} for n in range(30)])
    try:
        in_flight = "SELECT count(*) FROM jobs_outbox WHERE queue = 'lonely' AND published > 0"
        wait_until(lambda: app.rows(in_flight) == [(30,)])
        wait_until(lambda: app.job(jobs[-1])["eta_unknown"] == "no_worker")
        view = app.job(jobs[-1])
        assert view["eta_s"] is None
        assert 25 <= view["queue_position"] <= 30
        head = "SELECT head_age_s[5] FROM jobs_queuestanding WHERE queue = 'lonely'"
        wait_until(lambda: app.rows(head)[0][0] > 3.0)
    finally:
        app.cancel_live(jobs)


def test_a_job_that_a_circuit_holds_says_so(stack: Stack, app: App) -> None:
    register(stack, "circuit-held", "1", "echo", "--alias", "default")
    (job,) = app.bulk("circuit-held", [{"n": 1}])
    try:
        app.rows(
            "INSERT INTO jobs_circuit (version_id, state, reason) SELECT version.id, 'open', 'By hand.'"
            " FROM models_registry_modelversion version JOIN models_registry_registeredmodel model"
            " ON model.id = version.model_id WHERE model.name = 'circuit-held' RETURNING id"
        )
        wait_until(lambda: app.job(job)["eta_unknown"] == "circuit_open")
        assert app.job(job)["eta_s"] is None
        answer = app.http.post(JOBS, json={"model": "circuit-held", "input": {}})
        assert (answer.status_code, answer.json()["circuit"]) == (503, "version")
    finally:
        app.cancel_live([job])

"""Celery's own tools work: inspect, revoke and Flower show each job as a task of its own."""

from typing import Any

import httpx
import pytest
from celery import Celery

from inference_site.stack.harness import Stack
from tests.support.app import App
from tests.support.wait import wait_until


@pytest.fixture
def celery(stack: Stack) -> Celery:
    return Celery("an-operator", broker=stack.info["broker"])


def ids_in(answer: dict[str, list[dict[str, Any]]] | None) -> set[str]:
    return {task["id"] for tasks in (answer or {}).values() for task in tasks}


def test_inspect_shows_running_jobs_as_active_and_buffered_ones_as_reserved(celery: Celery, app: App) -> None:
    # A batch takes a second on each of a few lanes: so many leave time for two inspections of a second.
    ids = set(app.bulk("sleeper:slow", [{"n": n} for n in range(900)]))
    active = wait_until(lambda: ids_in(celery.control.inspect(timeout=1).active()) & ids)
    running = {str(job) for (job,) in app.rows("SELECT id FROM jobs_job WHERE state = 'running'")}
    reserved = wait_until(lambda: ids_in(celery.control.inspect(timeout=1).reserved()) & ids)
    assert active
    assert reserved
    assert len(running & ids) > 0
    assert app.all_finished(list(ids)) == {"succeeded": 900}
    wait_until(lambda: not ids_in(celery.control.inspect(timeout=1).active()) & ids)


def test_revoke_cancels_a_buffered_job_and_its_replay_runs(celery: Celery, app: App) -> None:
    ids = app.bulk("sleeper:slow", [{"n": n} for n in range(900)])
    wait_until(lambda: app.states(ids).get("running"))
    buffered = {str(job) for (job,) in app.rows("SELECT id FROM jobs_job WHERE state = 'queued'")}
    reserved = wait_until(lambda: ids_in(celery.control.inspect(timeout=1).reserved()) & buffered & set(ids))
    chosen = next(job for job in reversed(ids) if job in reserved)
    celery.control.revoke(chosen)
    wait_until(lambda: app.job(chosen)["state"] == "cancelled", limit_s=10)
    wait_until_every_worker_has_handled_its_orders(celery)
    app.act(chosen, "replay")
    assert app.finished(chosen)["state"] == "succeeded"
    assert app.all_finished(ids) == {"succeeded": 900}
    app.assert_each_ran_to_one_result(ids)


def wait_until_every_worker_has_handled_its_orders(celery: Celery) -> None:
    """Each worker cancels a revoked job by itself; a replay before the last one would be cancelled too.

    Orders are handled in turn: a worker that answers a ping has handled the orders before it.
    """
    nodes = wait_until(lambda: celery.control.inspect(timeout=2).ping())
    wait_until(lambda: (celery.control.inspect(timeout=2).ping() or {}).keys() >= nodes.keys())


def test_a_job_cancelled_and_replayed_by_the_api_runs(app: App) -> None:
    ids = app.bulk("sleeper:slow", [{"n": n} for n in range(250)])
    chosen = ids[-1]
    assert app.act(chosen, "cancel")["state"] == "cancelled"
    assert app.act(chosen, "replay")["state"] == "queued"
    assert app.all_finished(ids) == {"succeeded": 250}


def test_flower_shows_a_job_with_its_true_state(stack: Stack, app: App) -> None:
    good = app.submit("echo", {"seen": "by flower"})["id"]
    bad = app.submit("echo:faulty", {"fail": "invalid"})["id"]
    assert (app.finished(good)["state"], app.finished(bad)["state"]) == ("succeeded", "dead")
    assert wait_until(lambda: flower_shows(stack, good, "SUCCESS"), limit_s=20)
    assert wait_until(lambda: flower_shows(stack, bad, "FAILURE"), limit_s=20)


def flower_shows(stack: Stack, job: str, state: str) -> bool:
    info = stack.info
    login = (info["admin_user"], info["admin_password"])
    answer = httpx.get(f"{info['flower']}/api/task/info/{job}", auth=login, trust_env=False)
    return answer.status_code == 200 and answer.json()["state"] == state

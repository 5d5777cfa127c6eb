"""Celery's own tools work: inspect, revoke and Flower show each job as a task of its own."""

import subprocess
import sys
from typing import Any

import httpx
import pytest
from celery import Celery

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from jobs.worker.consuming.inspect_only import REFUSED
from tests.support.app import App, register, stack_env
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


REVOKE = """
import sys
from celery import Celery
control, backend = "jobs.result_backend:JobControl", "jobs.result_backend:JobBackend"
app = Celery("trusted", control=control, backend=backend)
app.conf.database_url = None
app.AsyncResult(sys.argv[1]).revoke()
"""


def test_a_revoke_through_the_broker_changes_nothing_and_one_through_the_database_has_a_name(
    celery: Celery, stack: Stack, app: App
) -> None:
    register(stack, "revoked", "1", "sleeper", "--alias", "default")  # its jobs wait
    forged, chosen = (app.submit("revoked", {"n": n})["id"] for n in range(2))
    refusals = celery.control.revoke([forged, chosen], reply=True, terminate=True, timeout=5, limit=2)
    assert {reply["error"] for node in refusals for reply in node.values()} == {REFUSED}
    subprocess.run([sys.executable, "-c", REVOKE, chosen], env=stack_env(stack), cwd=PROJECT, check=True)
    assert app.states([forged, chosen]) == {"cancelled": 1, "queued": 1}
    ((actor,),) = app.rows("SELECT actor FROM jobs_event WHERE job_id = %s AND kind = 'cancel'", chosen)
    assert actor.startswith("celery:")
    assert actor.endswith(":trusted")


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


def test_flower_reads_with_the_login_that_may_do_nothing_else(stack: Stack) -> None:
    info = stack.info
    connections = httpx.get(f"{info['rabbitmq_management']}/api/connections", trust_env=False).json()
    assert {row["user"] for row in connections} == {"inference", "monitor"}
    login = (info["admin_user"], info["admin_password"])
    assert "<td>infer.echo</td>" in httpx.get(f"{info['flower']}/broker", auth=login, trust_env=False).text


def flower_shows(stack: Stack, job: str, state: str) -> bool:
    info = stack.info
    login = (info["admin_user"], info["admin_password"])
    answer = httpx.get(f"{info['flower']}/api/task/info/{job}", auth=login, trust_env=False)
    return answer.status_code == 200 and answer.json()["state"] == state

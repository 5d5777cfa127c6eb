"""A model that reports its progress and heeds a cancel, in a worker of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from celery import Celery

from inference_client.answers import JobEvent
from inference_site.stack.harness import Stack
from tests.support.app import App, register
from tests.support.own_worker import own_worker
from tests.support.wait import wait_until

MODEL = "stepper"
STEPS = 400
LONG_S = 200
VERSIONS = {"1": (STEPS, 0.01), "long": (LONG_S * 10, 0.1)}
LAST = "SELECT (b.progress -> %s ->> 'fraction')::float8 FROM jobs_batch b WHERE %s = ANY(members)"
OF = "SELECT b.finished_at IS NOT NULL, b.ran_s, b.fenced, b.size FROM jobs_batch b WHERE %s = ANY(members)"


@pytest.fixture(scope="module")
def worker(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that runs one job at a time."""
    for version, (steps, step_s) in VERSIONS.items():
        words = ["--max-batch", "1", *(["--alias", "default"] if version == "1" else [])]
        register(stack, MODEL, version, MODEL, *words, steps=steps, step_s=step_s, batch_limit_s=300)
    with own_worker(stack, MODEL, index=10) as process:
        yield process


@pytest.fixture
def celery(stack: Stack) -> Celery:
    return Celery("an-operator", broker=stack.info["broker"])


@pytest.mark.usefixtures("worker")
def test_a_stream_sends_progress_a_few_times_a_second_and_the_batch_keeps_the_last(
    stack: Stack, app: App
) -> None:
    job = app.submit(MODEL, {"n": 1})
    events = list(app.client.stream(job["id"]))
    assert [event.name for event in events if event.name != "progress"][-2:] == ["state", "end"]
    assert events[-1].data == app.job(job["id"])
    assert events[-1].data["output"] == {"n": 1}
    steps = [event.data["fraction"] for event in events if event.name == "progress"]
    assert steps == sorted(set(steps))
    assert 3 <= len(steps) < STEPS / 2
    assert {event.data["message"] for event in events if event.name == "progress"} >= {
        f"step {round(steps[0] * STEPS)} of {STEPS}"
    }
    assert len({event.id for event in events}) == len(events)
    wait_until(lambda: app.rows(LAST, job["id"], job["id"]) == [(1.0,)])


def first_progress(app: App, job: str) -> JobEvent:
    return next(event for event in app.client.stream(job) if event.name == "progress")


@pytest.mark.usefixtures("worker")
def test_a_running_job_that_is_cancelled_stops_early(app: App) -> None:
    job = app.submit(f"{MODEL}:long", {"n": 1})["id"]
    assert 0 < first_progress(app, job).data["fraction"] < 1
    assert app.act(job, "cancel")["state"] == "cancelled"
    wait_until(lambda: app.rows(OF, job)[0][0], limit_s=LONG_S / 2)
    ((_, ran_s, fenced, size),) = app.rows(OF, job)
    assert ran_s < LONG_S / 2
    assert (fenced, size) == (1, 1)
    assert app.job(job)["state"] == "cancelled"
    assert app.rows("SELECT count(*) FROM jobs_jobresult WHERE job_id = %s", job) == [(0,)]


def reserved(celery: Celery) -> set[str]:
    """Ask on a new connection, because the broker may have closed the pooled one since the test before."""
    with celery.connection_for_write() as connection:
        answer = celery.control.inspect(timeout=1, connection=connection).reserved() or {}
    return {task["id"] for tasks in answer.values() for task in tasks}


@pytest.mark.usefixtures("worker")
def test_a_buffered_job_that_is_cancelled_leaves_the_buffer_before_its_turn(app: App, celery: Celery) -> None:
    ids = app.bulk(f"{MODEL}:long", [{"n": n} for n in range(5)])
    first = ids[0]
    assert first_progress(app, first)
    wait_until(lambda: set(ids[2:]) <= reserved(celery))
    for job in ids[2:]:
        app.act(job, "cancel")
    wait_until(lambda: not set(ids[2:]) & reserved(celery), limit_s=LONG_S / 2)
    assert app.states([first]) == {"running": 1}, "the buffered jobs left the buffer only at their turn"
    for job in ids[:2]:
        app.act(job, "cancel")
    assert app.all_finished(ids) == {"cancelled": 5}


@pytest.mark.usefixtures("worker")
def test_a_buffered_job_that_is_cancelled_and_replayed_runs_once(app: App, celery: Celery) -> None:
    running, claimed = app.bulk(f"{MODEL}:long", [{"n": 0}, {"n": 1}])
    assert first_progress(app, running)
    wait_until(lambda: app.states([claimed]) == {"running": 1})
    job = app.submit(MODEL, {"n": 2})["id"]
    wait_until(lambda: job in reserved(celery))
    app.act(job, "cancel")
    app.act(job, "replay")
    app.act(claimed, "cancel")
    app.act(running, "cancel")
    assert app.finished(job)["state"] == "succeeded"
    app.assert_each_ran_to_one_result([job])

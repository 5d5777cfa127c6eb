"""Workers die and the broker stops: no job is lost and none is doubled."""

import signal
import socket
from urllib.parse import urlsplit

from inference_site.stack.harness import Stack
from tests.support.app import App
from tests.support.own_worker import own_worker
from tests.support.wait import wait_until

WORKER = "gpu-worker-0"


def a_batch_runs(app: App, ids: list[str]) -> bool:
    open_batches = "SELECT count(*) FROM jobs_batch WHERE finished_at IS NULL AND members && %s::uuid[]"
    return app.rows(open_batches, ids) != [(0,)]


def test_a_worker_killed_in_mid_batch_loses_no_job_and_doubles_none(stack: Stack, app: App) -> None:
    ids = app.bulk("sleeper:slow", [{"n": n} for n in range(300)])
    wait_until(lambda: a_batch_runs(app, ids))
    killed = stack.kill(WORKER, signal.SIGKILL)
    stack.wait_restarted(WORKER, old_pid=killed)
    assert app.all_finished(ids, timeout_s=90) == {"succeeded": 300}
    app.assert_each_ran_to_one_result(ids)
    released = "SELECT sum(released) FROM jobs_batch WHERE members && %s::uuid[]"
    assert app.rows(released, ids)[0][0] > 0, "the kill came too late to hit a batch"
    assert app.attempts(ids) == {1: 300}


def test_a_worker_that_gets_sigterm_under_load_charges_no_attempt(stack: Stack, app: App) -> None:
    ids = app.bulk("sleeper:slow", [{"n": n} for n in range(300)])
    wait_until(lambda: a_batch_runs(app, ids))
    stopped = stack.kill(WORKER, signal.SIGTERM)
    stack.wait_restarted(WORKER, old_pid=stopped)
    assert app.all_finished(ids, timeout_s=90) == {"succeeded": 300}
    app.assert_each_ran_to_one_result(ids)
    assert app.attempts(ids) == {1: 300}


def test_a_stopped_broker_loses_no_job_and_the_api_goes_on_accepting(stack: Stack, app: App) -> None:
    before = app.bulk("sleeper:slow", [{"n": n} for n in range(100)])
    wait_until(lambda: a_batch_runs(app, before))
    killed = stack.kill("rabbitmq", signal.SIGKILL)
    wait_until(lambda: not listens(stack), what="the broker's end", every_s=0.01)
    during = [app.submit("echo", {"n": n})["id"] for n in range(50)] + app.bulk("echo", [{}] * 50)
    assert not listens(stack), "the broker was back before all were posted"
    stack.wait_restarted("rabbitmq", old_pid=killed)
    assert app.all_finished([*before, *during], timeout_s=120) == {"succeeded": 200}
    app.assert_each_ran_to_one_result([*before, *during])


def listens(stack: Stack) -> bool:
    parts = urlsplit(stack.info["broker"])
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2).close()
    except OSError:
        return False
    return True


def test_two_workers_share_a_queue(stack: Stack, app: App) -> None:
    with own_worker(stack, "sleeper", index=7):
        ids = app.bulk("sleeper:steady", [{"n": n} for n in range(3_000)])
        assert app.all_finished(ids) == {"succeeded": 3_000}
    app.assert_each_ran_to_one_result(ids)
    shares = """SELECT worker_id, sum(size) FROM jobs_batch WHERE members && %s::uuid[] GROUP BY 1"""
    counts = [int(count) for _, count in app.rows(shares, ids)]
    assert len(counts) == 2
    assert min(counts) > 300, counts

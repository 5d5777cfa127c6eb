"""Postgres, the broker and workers go away and come back: everything recovers by itself within a minute."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import kombu
import pytest

from inference_site.stack.harness import Stack
from inference_site.stack.ports import LOOPBACK, free_port
from jobs.broker import broker_queues
from tests.support.app import App, rabbitmqctl
from tests.support.gated_model import ENTRY_POINT
from tests.support.own_worker import consumers, log_of, own_worker, register_gated
from tests.support.proxy import Link, Mode, Network
from tests.support.wait import wait_until

MODEL, WORKER = "held", "gpu-worker-0"
JOBS, MAX_BATCH = 1_500, 8
RECOVERY_S = 60.0
ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.4")),
    "disk": (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "50MB")),
}
TRIED = "SELECT count(*) FROM jobs_outbox WHERE job_id = ANY(%s::uuid[]) AND published > 0"
LIVE = "SELECT id FROM jobs_job WHERE queue = %s AND finished_at IS NULL"
ROW = "SELECT id, ended_at IS NULL FROM jobs_worker WHERE pid = %s"
SILENCE = "UPDATE jobs_worker SET ended_at = now(), end_reason = 'silent' WHERE pid = %s"


@pytest.fixture
def gate(stack: Stack, app: App) -> Iterator[Path]:
    """The file that lets the model answer; its batches are small, so that its jobs share no message.

    The live jobs of a failed test are cancelled.
    """
    yield register_gated(stack, MODEL, "--max-batch", str(MAX_BATCH))
    for (job,) in app.rows(LIVE, MODEL):
        app.act(str(job), "cancel")


@pytest.fixture
def network(stack: Stack) -> Iterator[Network]:
    """A link to the stack's Postgres, for the processes that are given its port."""
    port = urlsplit(stack.info["database"]).port
    assert port is not None
    with Network({"postgres": Link(free_port(), (LOOPBACK, port))}) as network:
        yield network


def through(network: Network, url: str) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{login}@{LOOPBACK}:{network.links['postgres'].port}").geturl()


def waiting(broker: kombu.Connection) -> int:
    counts = broker_queues.counts(broker, MODEL)
    return 0 if counts is None else counts.ready


def test_a_worker_that_loses_its_database_keeps_its_jobs_and_goes_on_when_it_is_back(
    stack: Stack, app: App, broker: kombu.Connection, gate: Path, network: Network
) -> None:
    database = through(network, stack.info["database"])
    with own_worker(stack, MODEL, index=11, DATABASE_URL=database, MODEL_ENTRY_POINTS=ENTRY_POINT) as worker:
        ids = app.bulk(MODEL, [{"n": n} for n in range(JOBS)])
        wait_until(lambda: app.claimed_batches(ids) == 2)  # one runs, one is claimed ahead
        network.turn("postgres", Mode.CUT)
        gate.touch()
        wait_until(lambda: "the database failed, try" in log_of(stack, 11).read_text())
        assert waiting(broker) == 0, "it handed its messages back"
        assert "succeeded" not in app.states(ids)
        assert (worker.poll(), consumers(stack, MODEL)) == (None, 1)
        network.turn("postgres", Mode.OPEN)
        assert app.all_finished(ids, timeout_s=RECOVERY_S) == {"succeeded": JOBS}
        assert worker.poll() is None
    app.assert_each_ran_to_one_result(ids)
    assert app.attempts(ids) == {1: JOBS}


@pytest.mark.parametrize("name", ALARMS)
def test_jobs_are_accepted_during_an_alarm_of_the_broker_and_run_after_it(
    name: str, stack: Stack, app: App
) -> None:
    trouble, relief = ALARMS[name]
    with contextlib.ExitStack() as undo:
        undo.callback(rabbitmqctl, stack, *relief)
        rabbitmqctl(stack, *trouble)
        ids = [app.submit("echo", {name: n})["id"] for n in range(30)] + app.bulk("echo", [{name: name}] * 30)
        wait_until(lambda: app.rows(TRIED, ids)[0][0] > 0, what="the relay's first try")
        assert app.states(ids) == {"queued": 60}
    assert app.all_finished(ids, timeout_s=RECOVERY_S) == {"succeeded": 60}
    app.assert_each_ran_to_one_result(ids)
    assert app.attempts(ids) == {1: 60}


def test_workers_restarted_in_turn_under_load_lose_no_job_and_charge_no_attempt(
    stack: Stack, app: App
) -> None:
    ids: list[str] = []
    with own_worker(stack, "sleeper", index=12):
        ids += app.bulk("sleeper:steady", [{"n": n} for n in range(2_000)])
        stopped = stack.kill(WORKER, signal.SIGTERM)
        pid = stack.wait_restarted(WORKER, old_pid=stopped)
        ids += app.bulk("sleeper:steady", [{"n": n} for n in range(2_000, 4_000)])
        wait_until(lambda: app.rows(ROW, pid), what="the stack's worker")
        ids += app.bulk("sleeper:steady", [{"n": n} for n in range(4_000, 6_000)])
    with own_worker(stack, "sleeper", index=12):
        assert app.all_finished(ids) == {"succeeded": 6_000}
    app.assert_each_ran_to_one_result(ids)
    assert app.attempts(ids) == {1: 6_000}


def test_a_living_worker_that_was_declared_dead_works_on_under_its_old_row(stack: Stack, app: App) -> None:
    pid = stack.pid(WORKER)
    app.database.execute(SILENCE, (pid,))
    wait_until(lambda: app.rows(ROW, pid)[0][1], what="a heartbeat that opens the row again")
    ids = app.bulk("sleeper:slow", [{"n": n} for n in range(300)])
    assert app.all_finished(ids) == {"succeeded": 300}
    app.assert_each_ran_to_one_result(ids)
    assert app.attempts(ids) == {1: 300}
    released = app.rows("SELECT sum(released) FROM jobs_batch WHERE members && %s::uuid[]", ids)
    assert released == [(0,)], "its batches were reaped"

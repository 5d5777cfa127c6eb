"""A job that kills its worker is singled out and buried; its neighbours succeed and are not charged."""

import time
from functools import partial
from math import log2

import pytest

from inference_site.stack.harness import Stack
from jobs.worker.watchdog import EXIT_CODE
from tests.support.app import App, register
from tests.support.gated_model import ENTRY_POINT
from tests.support.own_worker import log_of, own_worker, register_gated
from tests.support.wait import wait_until

DEATHS = (
    "SELECT count(*) FROM jobs_worker WHERE end_reason IN ('replaced', 'silent', 'hung') AND started_at > %s"
)
NOW = "SELECT now()"
MEMBERS = "SELECT members FROM jobs_batch WHERE members && %s::uuid[]"
WAITING = "SELECT job_id, apart > 0 FROM jobs_outbox WHERE job_id = ANY(%s::uuid[])"
WORKERS = "SELECT id, ended_at FROM jobs_worker ORDER BY id"
NEIGHBOURS = 7
SOON_S = 10.0  # it ends within a second on a quiet machine; the drain that it used to wait for took 33


def test_a_segfault_buries_its_job_alone_within_two_log_two_deaths(stack: Stack, app: App) -> None:
    start = app.rows(NOW)[0][0]
    values = [{"n": n} for n in range(NEIGHBOURS)] + [{"fail": "segfault"}]
    *neighbours, killer = app.bulk("echo:faulty", values, max_attempts=1)
    job = app.finished(killer, timeout_s=240)
    assert (job["state"], job["error"]["kind"], job["attempts"]) == ("dead", "crash", 1)
    assert app.all_finished(neighbours) == {"succeeded": NEIGHBOURS}
    assert app.attempts(neighbours) == {1: NEIGHBOURS}
    app.assert_each_ran_to_one_result(neighbours)
    # One more than bisection takes: the death of the job alone, which is charged.
    assert app.rows(DEATHS, start)[0][0] <= 2 * log2(NEIGHBOURS + 1) + 1


@pytest.mark.parametrize("fail", ["exit", "interrupt", "cancel", "close"])
def test_an_exception_that_ends_programs_ends_its_own_job_alone(stack: Stack, app: App, fail: str) -> None:
    workers = app.rows(WORKERS)
    values = [{"n": n} for n in range(NEIGHBOURS)] + [{"fail": fail}]
    *neighbours, killer = app.bulk("echo:faulty", values, max_attempts=1)
    job = app.finished(killer, timeout_s=20)
    assert (job["state"], job["error"]["kind"], job["attempts"]) == ("dead", "poison", 1)
    assert app.all_finished(neighbours) == {"succeeded": NEIGHBOURS}
    assert app.attempts(neighbours) == {1: NEIGHBOURS}
    assert app.rows(WORKERS) == workers


def test_a_worker_that_lost_its_device_ends_at_once_and_charges_only_the_guilty(
    stack: Stack, app: App
) -> None:
    gate = register_gated(stack, "losing", "--max-batch", "4")
    own_loss = partial(own_worker, stack, "losing", MODEL_ENTRY_POINTS=ENTRY_POINT)
    with own_loss(index=7, ends_with=EXIT_CODE) as worker:
        lost, *others = app.bulk("losing", [{"fail": "lose"}] + [{"n": n} for n in range(NEIGHBOURS)])
        wait_until(lambda: len(app.rows(MEMBERS, [lost, *others])) == 2)  # one runs, one is claimed ahead
        assert len(app.rows(MEMBERS, [lost])) == 1
        gate.touch()
        wait_until(lambda: "the stage run-0 failed" in log_of(stack, 7).read_text(), every_s=0.01)
        began = time.monotonic()
        worker.wait(30)
        assert time.monotonic() - began < SOON_S
    ((reason,),) = app.rows("SELECT end_reason FROM jobs_worker WHERE pid = %s", worker.pid)
    assert reason == "failed"
    # The batch that broke the stage runs on in halves; the one that was claimed ahead is given back whole.
    wait_until(lambda: "running" not in app.states([lost, *others]))
    waiting = [str(job) for job, _ in app.rows(WAITING, others)]
    assert app.attempts([lost, *waiting]) == {0: len(waiting) + 1}
    ((members,),) = app.rows(MEMBERS, [lost])
    assert {job for job, apart in app.rows(WAITING, [lost, *others]) if apart} == set(members)
    app.cancel_live([lost, *others])


def test_a_hanging_batch_ends_its_worker_and_the_job_dies_of_a_timeout(stack: Stack, app: App) -> None:
    hanging = app.submit("echo:faulty", {"fail": "hang"}, max_attempts=1)["id"]
    job = app.finished(hanging, timeout_s=120)
    assert (job["state"], job["error"]["kind"]) == ("dead", "timeout")
    ended = app.rows("SELECT count(*) FROM jobs_worker WHERE end_reason = 'hung'")
    assert ended[0][0] == 2  # once in a batch with others, once alone


def test_a_model_that_holds_the_interpreter_lock_for_ever_is_ended_from_outside_and_only_its_job_dies(
    stack: Stack, app: App
) -> None:
    register(stack, "echo", "holding", "faulty", batch_limit_s=1)
    *others, guilty = app.bulk("echo:holding", [{"n": 1}, {"n": 2}, {"fail": "hold"}], max_attempts=1)
    elsewhere = app.submit("sleeper", {})["id"]  # its model was loaded in the same worker
    job = app.finished(guilty, timeout_s=120)
    assert (job["state"], job["error"]["kind"], job["attempts"]) == ("dead", "crash", 1)
    assert app.all_finished([*others, elsewhere]) == {"succeeded": 3}
    app.assert_each_ran_to_one_result(others)
    log = (stack.run_dir / "log" / "gpu-worker-0.log").read_text()
    assert log.count("the outer watchdog ends worker") == 2  # once in a batch with others, once alone
    assert log.count("a batch is over its limit") == 2

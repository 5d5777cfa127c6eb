"""A worker that gets SIGTERM twice hands back its jobs and ends."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from subprocess import Popen

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App
from tests.support.gated_model import ENTRY_POINT
from tests.support.own_worker import consumers, log_of, own_worker, register_gated
from tests.support.wait import wait_until

MODEL = "gated"
LIVE = "SELECT id FROM jobs_job WHERE queue = %s AND finished_at IS NULL"
LEDGER = "SELECT sum(size), sum(released), sum(succeeded) FROM jobs_batch WHERE members && %s::uuid[]"
Start = Callable[..., AbstractContextManager[Popen[bytes]]]


@pytest.fixture
def gate(stack: Stack, app: App) -> Iterator[Path]:
    """The file that lets the model answer; the live jobs of a failed test are cancelled."""
    yield register_gated(stack, MODEL)
    for (job,) in app.rows(LIVE, MODEL):
        app.act(str(job), "cancel")


@pytest.fixture
def a_worker(stack: Stack) -> Start:
    # No test waits for so long a grace: a worker that ends earlier was hurried.
    return partial(own_worker, stack, MODEL, WORKER_GRACE_S="3600", MODEL_ENTRY_POINTS=ENTRY_POINT)


@pytest.mark.parametrize("consuming", [False, True], ids=["in the drain", "before it begins"])
def test_a_second_sigterm_ends_the_drain_and_charges_no_attempt(
    stack: Stack, app: App, gate: Path, a_worker: Start, *, consuming: bool
) -> None:
    with a_worker(index=8) as worker:
        ids = app.bulk(MODEL, [{"n": n} for n in range(400)])
        wait_until(lambda: app.claimed_batches(ids) == 2)  # one runs, one is claimed ahead
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: "Warm shutdown" in log_of(stack, 8).read_text(), every_s=0.001)
        wait_until(lambda: consuming or consumers(stack, MODEL) == 0, what="the end of consuming")
        assert worker.poll() is None, "it did not wait for its batches"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert app.states(ids) == {"queued": 400}
    assert app.attempts(ids) == {0: 400}
    ((held, released, succeeded),) = app.rows(LEDGER, ids)
    assert (released, succeeded) == (held, 0)
    gate.touch()
    with a_worker(index=9):
        assert app.all_finished(ids) == {"succeeded": 400}
    app.assert_each_ran_to_one_result(ids)
    assert app.attempts(ids) == {1: 400}

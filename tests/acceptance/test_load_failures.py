"""A version that does not load here stops no other model, costs no job an attempt, and is tried again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App, manage, register
from tests.support.gated_model import SHUT
from tests.support.own_worker import consumers, own_worker
from tests.support.wait import wait_until

HEALTHY = ["ajar", "gaping", "open"]
REASONS = "SELECT reason FROM models_registry_versionload WHERE node LIKE 'gpu-6@%%' AND state = 'failed'"
SERVED = "SELECT model_names FROM jobs_worker WHERE node LIKE 'gpu-6@%%' AND ended_at IS NULL"


@pytest.fixture
def gate(stack: Stack) -> Path:
    """The file that lets the version load."""
    gate = stack.run_dir / "gate-of-shut"
    gate.unlink(missing_ok=True)
    healthy = [partial(register, stack, model, "1", "echo", "--alias", "default") for model in HEALTHY]
    other = partial(register, stack, "shut", "2", "echo")
    broken = partial(register, stack, "shut", "1", SHUT, "--alias", "default", gate=str(gate))
    with ThreadPoolExecutor(2) as pool:  # each is a process of its own, which takes seconds to start
        list(pool.map(lambda call: call(), [*healthy, other, broken]))
    manage(stack, "move_alias", "shut", "default", "1")
    return gate


def test_one_broken_model_of_four_stops_no_other_and_charges_no_job(
    stack: Stack, app: App, gate: Path
) -> None:
    first, *others = HEALTHY
    with own_worker(stack, first, also=",".join(["shut", *others]), index=6, MODEL_ENTRY_POINTS=SHUT):
        waiting = app.submit("shut", {"n": 1})["id"]
        jobs = [app.submit(model, {"n": 2})["id"] for model in HEALTHY]
        assert {app.finished(job)["state"] for job in jobs} == {"succeeded"}
        ((reason,),) = app.rows(REASONS)
        assert "the artifact is not there yet" in reason
        ((served,),) = app.rows(SERVED)
        assert (sorted(served), consumers(stack, "shut")) == (HEALTHY, 0)
        # Another version of the same model is taken up at once; the jobs of the first still wait.
        manage(stack, "move_alias", "shut", "default", "2")
        other = app.finished(app.submit("shut", {"n": 3})["id"])
        assert (other["version"], other["state"]) == ("2", "succeeded")
        job = app.job(waiting)
        assert (job["state"], job["attempts"]) == ("queued", 0)
        gate.touch()
        job = app.finished(waiting, timeout_s=90)
        assert (job["state"], job["attempts"]) == ("succeeded", 1)
        wait_until(lambda: app.rows(REASONS) == [])
        assert sorted(app.rows(SERVED)[0][0]) == [*HEALTHY, "shut"]

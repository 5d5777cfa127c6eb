"""A version that does not load here stops no other model, costs no job an attempt, and is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App, manage, register
from tests.support.gated_model import SHUT
from tests.support.own_worker import consumers, own_worker
from tests.support.wait import wait_until

REASONS = "SELECT reason FROM models_registry_versionload WHERE node LIKE 'gpu-6@%%' AND state = 'failed'"
SERVED = "SELECT model_names FROM jobs_worker WHERE node LIKE 'gpu-6@%%' AND ended_at IS NULL"


@pytest.fixture
def gate(stack: Stack) -> Path:
    """The file that lets the version load."""
    gate = stack.run_dir / "gate-of-shut"
    gate.unlink(missing_ok=True)
    register(stack, "ajar", "1", "echo", "--alias", "default")
    register(stack, "shut", "1", SHUT, "--alias", "default", gate=str(gate))
    register(stack, "shut", "2", "echo")
    manage(stack, "move_alias", "shut", "default", "1")
    return gate


def test_a_version_that_does_not_load_stops_no_other_and_charges_no_job(
    stack: Stack, app: App, gate: Path
) -> None:
    with own_worker(stack, "ajar", also="shut", index=6, MODEL_ENTRY_POINTS=SHUT):
        waiting = app.submit("shut", {"n": 1})["id"]
        assert app.finished(app.submit("ajar", {"n": 2})["id"])["state"] == "succeeded"
        ((reason,),) = app.rows(REASONS)
        assert "the artifact is not there yet" in reason
        assert (app.rows(SERVED), consumers(stack, "shut")) == ([(["ajar"],)], 0)
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
        assert sorted(app.rows(SERVED)[0][0]) == ["ajar", "shut"]

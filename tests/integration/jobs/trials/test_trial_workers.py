"""Trials at real worker processes: one that kills them is tried twice, one that hangs ends its worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inference_site.stack.services import PROJECT
from jobs.core.trials.trial_specs import BacktestRequest
from jobs.models.rollouts.version_trial import Trial, TrialState
from jobs.services.trials.backtests import start_backtest
from tests.support.factories import make_version
from tests.support.trials import stored_jobs
from tests.support.wait import wait_until

BUILT_IN = "models_registry.loaders.builtin"
LIMIT_S = 120.0


@contextmanager
def own_process(model: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "manage.py", "gpu_worker", "--cpu", "--models", model, "--lanes", "1"]
    with log.open("ab") as file:
        process = subprocess.Popen(words, cwd=PROJECT, stdout=file, stderr=file)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("fail", ["segfault", "hang"])
def test_a_trial_that_ends_its_worker_twice_fails_with_that_reason(
    db: str, tmp_path: Path, fail: str
) -> None:
    stable = make_version("killed", "1", artifact=f"{BUILT_IN}:echo")
    make_version("killed", "2", artifact=f"{BUILT_IN}:faulty", options={"batch_limit_s": 2})
    stored_jobs(stable, [{"fail": fail}])
    trial = start_backtest(model="killed", asked=BacktestRequest(version="2"), actor="olga")
    for attempt in (1, 2):
        with own_process("killed", tmp_path / "log") as worker:
            worker.wait(LIMIT_S)
        row = Trial.objects.get(pk=trial)
        assert (row.state, row.attempts) == (TrialState.RUNNING, attempt), (tmp_path / "log").read_text()[
            -3000:
        ]
    with own_process("killed", tmp_path / "log"):
        wait_until(lambda: Trial.objects.get(pk=trial).ended_at is not None, limit_s=LIMIT_S)
    row = Trial.objects.get(pk=trial)
    assert (row.state, row.attempts) == (TrialState.FAILED, 2)
    assert "both workers ended while it ran" in row.outcome

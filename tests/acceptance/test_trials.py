"""Trials on a running worker: beside its jobs, and never a third time past one that ends it."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App, manage, register
from tests.support.own_worker import log_of, own_worker
from tests.support.wait import wait_until

INDEX = 8
TRIAL = "SELECT state, outcome, attempts FROM jobs_trial WHERE id = %s"
NEWEST = "SELECT max(id) FROM jobs_trial"


def ended_trial(app: App, trial: int) -> tuple[Any, ...]:
    def row() -> tuple[Any, ...] | None:
        (found,) = app.rows(TRIAL, trial)
        return found if found[0] in {"done", "failed"} else None

    return wait_until(row, limit_s=120)


def begun(stack: Stack, app: App, *words: str) -> int:
    """Start a backtest without waiting for its end, and return its id."""
    before = app.rows(NEWEST)[0][0] or 0
    with pytest.raises(AssertionError, match="it goes on by itself"):
        manage(stack, "backtest", *words, "--wait-s", "0")
    (newest,) = app.rows(NEWEST)[0]
    assert newest > before
    return int(newest)


def test_a_backtest_runs_on_a_worker_that_has_jobs(stack: Stack, app: App) -> None:
    register(stack, "tried", "1", "echo", "--alias", "default")
    register(stack, "tried", "2", "faulty")
    with own_worker(stack, "tried", index=INDEX):
        jobs = app.bulk("tried", [{"n": n} for n in range(200)])
        assert app.all_finished(jobs) == {"succeeded": 200}
        printed = manage(stack, "backtest", "tried:2", "--json")
    report = json.loads(printed)["report"]
    assert report["jobs"]["ran"] == 200
    assert report["agreement"]["agreed"] == 200


def test_a_trial_that_ends_its_worker_twice_fails_with_that_reason(stack: Stack, app: App) -> None:
    register(stack, "killed", "1", "echo", "--alias", "default")
    register(stack, "killed", "2", "faulty")
    with own_worker(stack, "killed", index=INDEX):
        jobs = app.bulk("killed", [{"fail": "segfault"}])
        assert app.all_finished(jobs) == {"succeeded": 1}
    trial = begun(stack, app, "killed:2")
    for attempt in (1, 2):
        with own_worker(stack, "killed", index=INDEX, ends_with=-signal.SIGSEGV) as worker:
            worker.wait(60)
            assert app.rows(TRIAL, trial) == [("running", "", attempt)], log_of(stack, INDEX).read_text()[
                -2000:
            ]
    with own_worker(stack, "killed", index=INDEX):
        state, outcome, attempts = ended_trial(app, trial)
    assert (state, attempts) == ("failed", 2)
    assert "both workers ended while it ran" in outcome


def test_a_trial_that_hangs_ends_its_worker_as_a_batch_does(stack: Stack, app: App) -> None:
    register(stack, "hung", "1", "echo", "--alias", "default")
    register(stack, "hung", "2", "faulty", batch_limit_s=2)
    with own_worker(stack, "hung", index=INDEX):
        assert app.all_finished(app.bulk("hung", [{"fail": "hang"}])) == {"succeeded": 1}
    trial = begun(stack, app, "hung:2")
    with own_worker(stack, "hung", index=INDEX, ends_with=70) as worker:
        worker.wait(60)
    assert app.rows(TRIAL, trial)[0][0] == "running"
    assert "hangs: the worker ends" in log_of(stack, INDEX).read_text()

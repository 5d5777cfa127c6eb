"""The whole stack behind pgbouncer in transaction mode, with a direct URL for the sessions that listen."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from tests.support.app import App, manage
from tests.support.connections import end_connections
from tests.support.pgbouncer import Mode, pgbouncer
from tests.support.receiver import receiving
from tests.support.wait import wait_until

ONLY = ("web", "stream", "relay", "gpu-worker-0", "cpu-worker")
JOBS = 300
QUICK_S = 5.0


@pytest.fixture(params=["transaction", "session"])
def pooled(
    request: pytest.FixtureRequest, db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[App, Stack]]:
    """Run a stack on the test's servers, its database behind the pooler."""
    mode: Mode = request.param
    with pgbouncer(db, mode, tmp_path, own="ignore_startup_parameters = extra_float_digits") as url:
        monkeypatch.setenv("DATABASE_URL", url)  # the broker is the test's own too
        env = {"DATABASE_DIRECT_URL": db} if mode == "transaction" else {}
        stack = Stack(
            PROJECT / ".run" / f"pooler-{mode}-{os.getpid()}",
            only=ONLY,
            workers=1,
            env=env | {"WEBHOOK_INTERNAL_HOSTS": "127.0.0.1"},
        )
        try:
            with stack:
                app = App(stack)
                yield app, stack
                app.close()
        finally:
            stack.delete()
            end_connections(db)


def test_jobs_waits_events_and_webhooks_work_behind_a_pooler(pooled: tuple[App, Stack]) -> None:
    app, stack = pooled
    wait_until(lambda: app.http.get("/readyz").status_code == 200)
    ids = app.bulk("echo", [{"n": number} for number in range(JOBS)])
    wait_until(lambda: app.states(ids) == {"succeeded": JOBS})
    began = time.monotonic()
    body = {"model": "echo", "input": {"n": 1}}
    answer = app.http.post("/api/v1/jobs", json=body, headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json()["output"]) == (200, {"n": 1})
    assert time.monotonic() - began < QUICK_S, "a waiter that nobody wakes looks again only after a while"
    manage(stack, "webhook_secret", "stack")
    with receiving() as receiver:
        app.submit("echo", {"n": 7}, callback_url=receiver.url)
        wait_until(lambda: len(receiver.requests) == 1)
    log = (stack.run_dir / "log/relay.log").read_text()
    assert "goes on in" not in log, "a loop lost its session"

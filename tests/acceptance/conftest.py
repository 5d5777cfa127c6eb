"""One stack for all acceptance tests, on servers of its own, so that they may be hurt."""

import os
from collections.abc import Iterator

import kombu
import pytest

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from tests.support.app import NOT_THESE, App, manage
from tests.support.wait import wait_until

ONLY = ("web", "stream", "relay", "gpu-worker-0", "cpu-worker", "flower")
# Versions that take their time, so that a test can act in the middle of a batch; served as their models are.
SLOW = {"slow": 1.0, "steady": 0.05}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    run_dir = PROJECT / ".run" / f"acceptance-{os.getpid()}"
    kept = {name: os.environ.pop(name) for name in NOT_THESE if name in os.environ}
    running = Stack(run_dir, only=ONLY, workers=1, env={"WEBHOOK_INTERNAL_HOSTS": "127.0.0.1"})
    try:
        with running:
            os.environ.update(kept)
            _register(running)
            yield running
    finally:
        os.environ.update(kept)
        running.delete()


def _register(stack: Stack) -> None:
    home = "models_registry.loaders.builtin"
    for version, base_s in SLOW.items():
        options = f'{{"base_s": {base_s}}}'
        words = ("--loader", "entry_point", "--artifact", f"{home}:sleeper", "--options", options)
        manage(stack, "register_model", "sleeper", version, *words)
    manage(
        stack, "register_model", "echo", "faulty", "--loader", "entry_point", "--artifact", f"{home}:faulty",
        "--options", '{"batch_limit_s": 5}',
    )  # fmt: skip


@pytest.fixture
def app(stack: Stack) -> Iterator[App]:
    app = App(stack)
    # What a test before this one broke is whole again, its worker has nothing left to do, and what it left
    # behind when it failed, perhaps jobs that nobody runs, fails no other.
    app.finished(app.submit("sleeper", {}, priority=9)["id"])
    app.cancel_live()
    wait_until(lambda: app.rows("SELECT count(*) FROM jobs_outbox") == [(0,)])
    yield app
    app.close()


@pytest.fixture
def broker(stack: Stack, app: App) -> Iterator[kombu.Connection]:
    with kombu.Connection(stack.info["broker"]) as connection:
        yield connection

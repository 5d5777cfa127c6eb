"""A worker is told, while it runs, to serve another model and to stop serving it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import pytest
from celery import Celery

from inference_site.stack.harness import Stack
from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT
from tests.support.app import App, manage, stack_env
from tests.support.wait import wait_until

NODE = f"gpu-8@{socket.gethostname()}"
HOME = "models_registry.loaders.builtin"


@pytest.fixture(scope="module")
def node(stack: Stack) -> Iterator[str]:
    """Yield the node name of a worker that serves only echo, beside models that nobody serves."""
    for version, options in (("1", "{}"), ("slow", '{"base_s": 0.5}')):
        register(stack, "dozer", version, "sleeper", "--options", options, "--max-batch", "4")
    register(stack, "broken", "1", "faulty", "--example", '{"fail": "raise"}')
    register(stack, "sluggish", "1", "faulty", "--example", '{"fail": "hang", "seconds": 4}')
    words = [*death_words(signal.SIGKILL), sys.executable, "manage.py", "gpu_worker", "--cpu"]
    words += ["--models", "echo", "--index", "8"]
    with (stack.run_dir / "log" / "echo-worker.log").open("ab") as log:
        process = subprocess.Popen(words, env=stack_env(stack), cwd=PROJECT, stdout=log, stderr=log)
    try:
        yield NODE
    finally:
        process.terminate()
        assert process.wait(45) == 0


@pytest.fixture(autouse=True)
def only_echo(stack: Stack, app: App, node: str) -> Iterator[None]:
    wait_until(lambda: served(app) == ["echo"])
    yield
    if served(app) != ["echo"]:
        manage(stack, "unload_model", "dozer", "--worker", NODE)


def register(stack: Stack, name: str, version: str, kind: str, *words: str) -> None:
    known = ("--loader", "entry_point", "--artifact", f"{HOME}:{kind}")
    manage(stack, "register_model", name, version, *known, "--alias", "default", *words)


def served(app: App) -> list[str]:
    rows = app.rows("SELECT model_names FROM jobs_worker WHERE node = %s AND ended_at IS NULL", NODE)
    return sorted(rows[0][0]) if rows else []


def queue(broker: kombu.Connection, model: str) -> Any:
    with broker.channel() as channel:
        return channel.queue_declare(queue=f"infer.{model}", passive=True)


def test_a_worker_is_told_to_load_a_model_and_to_drop_it_and_loses_no_job(
    stack: Stack, app: App, broker: kombu.Connection
) -> None:
    first = app.submit("dozer:1", {"n": 1})["id"]
    wait_until(lambda: queue(broker, "dozer").message_count == 1)
    assert queue(broker, "dozer").consumer_count == 0

    assert manage(stack, "load_model", "dozer", "--worker", NODE) == f"{NODE}: dozer serving\n"
    assert app.finished(first)["state"] == "succeeded"
    assert served(app) == ["dozer", "echo"]

    ids = app.bulk("dozer:slow", [{"n": n} for n in range(120)])
    wait_until(lambda: app.states(ids).get("succeeded"))
    assert "unloaded" in manage(stack, "unload_model", "dozer", "--worker", NODE)
    assert queue(broker, "dozer").consumer_count == 0
    assert served(app) == ["echo"]
    wait_until(lambda: "running" not in app.states(ids))
    left = app.states(ids)["queued"]
    assert left > 0, "all had run before the model was dropped"
    wait_until(lambda: queue(broker, "dozer").message_count > 0, what="what was fetched is back in the queue")
    assert app.states(ids)["queued"] == left

    manage(stack, "load_model", "dozer:slow", "--worker", NODE)
    assert app.all_finished(ids, timeout_s=120) == {"succeeded": 120}
    assert app.attempts(ids) == {1: 120}
    app.assert_each_ran_to_one_result(ids)


def refused(stack: Stack, *words: str) -> str:
    """Return what a command prints that fails."""
    told = subprocess.run(
        [sys.executable, "manage.py", *words],
        env=stack_env(stack), cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 1
    assert "Not done by" in told.stderr
    return told.stdout


def test_an_order_that_cannot_be_carried_out_is_answered_with_the_reason(stack: Stack, app: App) -> None:
    said = refused(stack, "load_model", "nobody", "--worker", NODE)
    assert said == f"{NODE}: nobody failed: There is no model 'nobody@default'.\n"
    said = refused(stack, "load_model", "broken", "--worker", NODE)
    assert "failed: broken:1 fails on its own example: ValueError" in said
    said = refused(stack, "load_model", "echo", "--worker", NODE, "--worker", "gpu-99@nowhere")
    assert sorted(said.splitlines()) == [
        f"{NODE}: echo serving",
        "gpu-99@nowhere: echo failed: no answer in 5 s",
    ]
    assert served(app) == ["echo"]


@pytest.fixture
def ask(stack: Stack) -> Callable[..., Any]:
    operator = Celery("an-operator", broker=stack.info["broker"])

    def asked(command: str, **arguments: str) -> Any:
        # A connection of its own: kombu's pool, shared by URL, keeps one that a stopped broker closed.
        with operator.connection_for_write() as connection:
            replies = operator.control.broadcast(
                command,
                arguments=arguments,
                destination=[NODE],
                reply=True,
                timeout=10,
                limit=1,
                connection=connection,
            )
        return replies[0][NODE]

    return asked


def test_celery_s_own_remote_control_knows_the_commands(ask: Callable[..., Any]) -> None:
    assert ask("load_model", ref="dozer@default") == {"ok": "dozer@default: loading"}
    told = wait_until(lambda: (t := ask("loaded_models"))["orders"]["dozer@default"] == "serving" and t)
    assert told["serves"] == ["dozer", "echo"]
    assert {each["version"] for each in told["loaded"]} == {"echo:1", "dozer:slow"}
    assert "ok" in ask("unload_model", ref="dozer")
    wait_until(lambda: ask("loaded_models")["serves"] == ["echo"])
    wait_until(lambda: {each["version"] for each in ask("loaded_models")["loaded"]} == {"echo:1"})


def test_a_worker_answers_and_works_while_it_loads(app: App, ask: Callable[..., Any]) -> None:
    assert ask("load_model", ref="sluggish") == {"ok": "sluggish: loading"}
    job = app.submit("echo", {"n": 1})["id"]
    assert ask("loaded_models")["orders"]["sluggish"] == "loading"
    assert app.finished(job)["state"] == "succeeded"
    assert ask("load_model", ref="sluggish") == {"ok": "sluggish: loading"}
    wait_until(lambda: ask("loaded_models")["orders"]["sluggish"] == "serving")
    ask("unload_model", ref="sluggish")
    wait_until(lambda: ask("loaded_models")["serves"] == ["echo"])

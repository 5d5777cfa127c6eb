"""Commands to a running worker: to serve another model, and to stop serving it."""

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
from jobs.worker.consuming.inspect_only import REFUSED
from tests.support.app import App, manage, register, stack_env
from tests.support.wait import wait_until

NODE = f"gpu-8@{socket.gethostname()}"


@pytest.fixture(scope="module")
def node(stack: Stack) -> Iterator[str]:
    """Run a worker that serves only echo, beside models that no worker serves; yield its node name."""
    default = ("--alias", "default")
    register(stack, "dozer", "1", "sleeper", "--max-batch", "4", *default)
    register(stack, "dozer", "slow", "sleeper", "--max-batch", "4", *default, base_s=0.5)
    register(stack, "broken", "1", "faulty", "--example", '{"fail": "raise"}', *default)
    register(stack, "sluggish", "1", "faulty", "--example", '{"fail": "hang", "seconds": 4}', *default)
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


def served(app: App) -> list[str]:
    rows = app.rows("SELECT model_names FROM jobs_worker WHERE node = %s AND ended_at IS NULL", NODE)
    return sorted(rows[0][0]) if rows else []


def queue(broker: kombu.Connection, model: str) -> Any:
    with broker.channel() as channel:
        return channel.queue_declare(queue=f"infer.{model}", passive=True)


def test_a_worker_loads_and_unloads_a_model_by_command_and_loses_no_job(
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
    queued = app.states(ids)["queued"]
    assert queued > 0, "all had run before the model was unloaded"
    wait_until(lambda: queue(broker, "dozer").message_count > 0, what="the return of the fetched messages")
    assert app.states(ids)["queued"] == queued

    manage(stack, "load_model", "dozer:slow", "--worker", NODE)
    assert app.all_finished(ids, timeout_s=120) == {"succeeded": 120}
    assert app.attempts(ids) == {1: 120}
    app.assert_each_ran_to_one_result(ids)


def refused(stack: Stack, *words: str) -> str:
    """Return the output of a command that must fail."""
    result = subprocess.run(
        [sys.executable, "manage.py", *words],
        env=stack_env(stack), cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "Not done by" in result.stderr
    return result.stdout


def test_a_command_that_fails_prints_the_reason(stack: Stack, app: App) -> None:
    output = refused(stack, "load_model", "unheard-of", "--worker", NODE)
    assert output == f"{NODE}: unheard-of failed: There is no model 'unheard-of@default'.\n"
    output = refused(stack, "load_model", "broken", "--worker", NODE)
    assert "failed: broken:1 fails on its own example: ValueError" in output
    output = refused(stack, "load_model", "echo", "--worker", NODE, "--worker", "gpu-99@nowhere")
    assert sorted(output.splitlines()) == [
        f"{NODE}: echo serving",
        "gpu-99@nowhere: echo failed: no such worker runs",
    ]
    assert served(app) == ["echo"]


@pytest.fixture
def ask(stack: Stack) -> Callable[..., Any]:
    operator = Celery("an-operator", broker=stack.info["broker"])

    def send(command: str, **arguments: Any) -> Any:
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

    return send


def test_an_order_over_the_broker_is_refused_and_one_in_the_database_is_audited(
    stack: Stack, app: App, ask: Callable[..., Any]
) -> None:
    for command, arguments in (("load_model", {"ref": "dozer"}), ("shutdown", {}), ("pool_grow", {"n": 9})):
        assert ask(command, **arguments) == {"error": REFUSED}
    manage(stack, "load_model", "dozer@default", "--worker", NODE)
    answer = ask("loaded_models")
    assert answer["serves"] == ["dozer", "echo"]
    assert versions(answer) == {"echo:1", "dozer:slow"}
    assert answer["orders"]["dozer@default"] == "serving"
    (actor, detail) = app.rows(
        "SELECT actor, detail FROM jobs_event WHERE kind = 'model_order' ORDER BY id DESC LIMIT 1"
    )[0]
    assert actor
    assert detail == {"action": "load", "ref": "dozer@default", "workers": [NODE]}
    manage(stack, "unload_model", "dozer", "--worker", NODE)
    assert ask("loaded_models")["serves"] == ["echo"]
    wait_until(lambda: versions(ask("loaded_models")) == {"echo:1"})


def versions(answer: Any) -> set[str]:
    """Return the loaded versions, without those of echo that other tests' aliases name."""
    loaded = {model["version"] for model in answer["loaded"]}
    return {version for version in loaded if version == "echo:1" or not version.startswith("echo:")}


def test_a_worker_answers_and_works_while_it_loads(stack: Stack, app: App, ask: Callable[..., Any]) -> None:
    words = [sys.executable, "manage.py", "load_model", "sluggish", "--worker", NODE]
    with subprocess.Popen(words, env=stack_env(stack), cwd=PROJECT) as loading:
        wait_until(lambda: ask("loaded_models")["orders"].get("sluggish") == "loading")
        job = app.submit("echo", {"n": 1})["id"]
        assert app.finished(job)["state"] == "succeeded"
        assert ask("loaded_models")["orders"]["sluggish"] == "loading"
        assert loading.wait(30) == 0
    assert ask("loaded_models")["orders"]["sluggish"] == "serving"
    manage(stack, "unload_model", "sluggish", "--worker", NODE)
    assert ask("loaded_models")["serves"] == ["echo"]

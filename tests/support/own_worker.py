"""A worker that a test starts beside the stack's own."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import kombu

from inference_site.stack.harness import Stack
from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT
from jobs.broker import broker_queues
from tests.support.app import register, stack_env
from tests.support.gated_model import ENTRY_POINT
from tests.support.wait import wait_until


@contextlib.contextmanager
def own_worker(  # noqa: PLR0913  # what a worker is started with
    stack: Stack,
    model: str,
    *,
    index: int,
    also: str = "",
    queue: str = "",
    ends_with: int = 0,
    options: Sequence[str] = (),
    **env: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of one model, one batch at a time: it consumes by then, and must end as foretold.

    It is on the CPU unless its `options` name a GPU. It consumes `queue`, by default the model's.
    """
    device = () if "--gpu" in options else ("--cpu",)
    words = [*death_words(signal.SIGKILL), sys.executable, "manage.py", "gpu_worker", *device]
    words += ["--models", f"{model},{also}", "--index", str(index), "--lanes", "1", *options]
    queue = queue or model
    before, path = consumers(stack, queue), log_of(stack, index)
    with path.open("wb") as log:
        process = subprocess.Popen(words, env=stack_env(stack) | env, cwd=PROJECT, stdout=log, stderr=log)
    try:
        wait_until(lambda: consumers(stack, queue) > before or process.poll() is not None)
        assert process.poll() is None, path.read_text()[-3000:]
        yield process
        process.terminate()
        assert process.wait(45) == ends_with
    finally:
        process.kill()
        process.wait()


def register_gated(stack: Stack, model: str, *words: str, **options: Any) -> Path:
    """Register a gated model, and return its gate: a file that is not there yet."""
    gate = stack.run_dir / f"gate-of-{model}"
    gate.unlink(missing_ok=True)
    register(stack, model, "1", ENTRY_POINT, "--alias", "default", *words, gate=str(gate), **options)
    return gate


def consumers(stack: Stack, queue: str) -> int:
    """Return how many consumers a queue has, a model's or that of its slow lane."""
    with kombu.Connection(stack.info["broker"]) as connection:
        counts = broker_queues.counts(connection, queue)
    return 0 if counts is None else counts.consumers


def log_of(stack: Stack, index: int) -> Path:
    """Return the path of the log of the newest such worker of this index."""
    return stack.run_dir / "log" / f"own-worker-{index}.log"

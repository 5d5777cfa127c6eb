"""What must be true of the running containers. Each check yields a sentence for what is wrong."""

from __future__ import annotations

import json
import ssl
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import httpx

from inference_client import Client
from tests.smoke_image.containers import PROCESSES, SETTINGS, Stack
from tests.smoke_image.engine import EngineError

JOBS = 100
ENDS_S = 300.0
KILLED = 137  # the status of a container that did not end within its grace


def confined(stack: Stack) -> Iterator[str]:
    """The processes run as uid 10001, cannot write to the image, and have no capability."""
    for name in PROCESSES:
        seen = stack.engine.inspect(stack.container(name))
        if not seen["HostConfig"]["ReadonlyRootfs"]:
            yield f"{name}: the root of its files can be written."
        if seen["EffectiveCaps"]:
            yield f"{name} has the capabilities {seen['EffectiveCaps']}."
        if (uid := stack.inside(name, "id", "-u")) != "10001":
            yield f"{name} runs as {uid}."
        try:
            stack.inside(name, "touch", "/app/x")
            yield f"{name} can write to /app."
        except EngineError:
            pass


def healthy(stack: Stack) -> Iterator[str]:
    """Each process's own check, as compose.yaml has it, says that it works."""
    for name in PROCESSES:
        good, words = stack.health(name)
        print(f"  {name}: {words}")
        if not good:
            yield f"{name} is not healthy: {words}"


def jobs_run(stack: Stack) -> Iterator[str]:
    """Jobs that are posted through the proxy, over TLS, give their results."""
    with _client(stack) as client:
        began = time.monotonic()
        ids = _submit(client, JOBS)
        yield from _wrong_jobs(client, ids)
    print(f"  {JOBS} jobs in {time.monotonic() - began:.1f} s")


def versions_are_registered(stack: Stack) -> Iterator[str]:
    """A client's version of a framework's model is registered through the proxy, and a command runs it."""
    with tempfile.TemporaryDirectory() as folder, _client(stack) as client:
        path = _program(Path(folder, "same.pt"))
        made = client.register("same", path, version="1", loader="torchscript", example={"data": [1.0]})
    if (made.model, made.version) != ("same", "1"):
        yield f"The version was registered as {made}."
    words = ("python", "manage.py", "try_model", "same:1", "--input", '{"data": [2.0]}')
    if (answer := json.loads(stack.inside("registrar", *words))) != {"data": [2.0]}:
        yield f"try_model in registrar: {answer}"


def _program(path: Path) -> Path:
    """Write a program that returns positive numbers as they are, and return its path."""
    import torch  # only here, because it takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(torch.nn.Threshold(-1.0, 0.0), torch.ones(1, 1)).save(str(path))
    return path


def worker_drains(stack: Stack) -> Iterator[str]:
    """A worker stopped under load ends within its grace, and each of its jobs runs once it is back."""
    name, grace_s = stack.container("gpu-worker"), stack.grace_s("gpu-worker")
    with _client(stack) as client:
        ids = _submit(client, 10 * JOBS)
        began = time.monotonic()
        stack.engine.run("stop", "--time", str(grace_s), name)
        took = time.monotonic() - began
        status = stack.engine.inspect(name)["State"]["ExitCode"]
        print(f"  gpu-worker ended {took:.1f} s after SIGTERM with status {status}; its grace is {grace_s} s")
        if status:
            yield f"gpu-worker ended with status {status} after {took:.1f} s."
        if client.get(ids[-1]).state == "succeeded":
            yield "gpu-worker had nothing left to do at its end."
        stack.engine.run("start", name)
        yield from _wrong_jobs(client, ids)


def all_end_in_time(stack: Stack) -> Iterator[str]:
    """Each process ends by itself within its grace after SIGTERM."""
    for name in ("proxy", *PROCESSES):
        began = time.monotonic()
        stack.engine.run("stop", "--time", str(stack.grace_s(name)), stack.container(name))
        status = stack.engine.inspect(stack.container(name))["State"]["ExitCode"]
        print(f"  {name}: status {status} after {time.monotonic() - began:.1f} s")
        if status not in {0, 143}:  # 143: ended by SIGTERM itself
            how = "was killed after its grace" if status == KILLED else f"ended with status {status}"
            yield f"{name} {how}."


def _client(stack: Stack) -> Client:
    words = (
        "python",
        "manage.py",
        "create_token",
        "smoke",
        "--scope",
        "submit",
        "--scope",
        "read",
        "--scope",
        "register",
        "--no-quotas",
    )
    token = stack.inside("web", *words).splitlines()[-1]
    trusted = ssl.create_default_context(cafile=str(stack.folder / "rendered/ca/ca.pem"))
    return Client(SETTINGS["API_URL"], token, transport=httpx.HTTPTransport(verify=trusted))


def _submit(client: Client, jobs: int) -> list[UUID]:
    asked = [
        {"model": "minilm", "input": {"text": f"sentence {number} of {time.time_ns()}"}}
        for number in range(jobs)
    ]
    return [item.id for item in client.submit_many(asked) if item.id is not None]


def _wrong_jobs(client: Client, ids: Sequence[UUID]) -> Iterator[str]:
    if not ids:
        yield "No job was accepted."
    for job in ids:
        ended = client.wait(job, timeout_s=ENDS_S)
        if ended.state != "succeeded" or len(ended.output["embedding"]) != 384:
            yield f"Job {job} {ended.state}: {ended.error}"

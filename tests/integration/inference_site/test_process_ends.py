"""Every process ends soon after SIGTERM: as PID 1, while it starts, and with servers that do not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import kombu
import psutil
import pytest

from inference_site.stack.ports import LOOPBACK, free_port
from inference_site.stack.services import PROJECT
from jobs.broker import broker_queues
from jobs.models import Worker
from models_registry.services import register_builtin_models
from tests.support.proxy import Link, Mode, Network
from tests.support.wait import wait_until

AS_PID_1 = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
CELERY = (sys.executable, "-m", "celery", "-A", "inference_site")
PROGRAMS = {
    "relay": (sys.executable, "manage.py", "relay"),
    "gpu-worker": (sys.executable, "manage.py", "gpu_worker", "--cpu", "--models", "echo", "--index", "5"),
    "cpu-worker": (*CELERY, "worker", "-Q", "cpu", "-n", "cpu-5@%h", "--pool", "threads", "--without-mingle"),
    "beat": (*CELERY, "beat", "--pidfile", ""),
    "flower": (sys.executable, "-m", "inference_site.viewer.serve_events", f"--address={LOOPBACK}"),
}
GRACE_S = 2.0
LIMIT_S = 10.0  # what a container has by default
ENDED_BY_SIGTERM = 128 + signal.SIGTERM


@pytest.fixture
def network(services: dict[str, str]) -> Iterator[Network]:
    """Links to the servers, for the processes of a test."""
    ports = {name: urlsplit(services[f"{name}_URL"]).port or 0 for name in ("DATABASE", "BROKER")}
    links = {name: Link(free_port(), (LOOPBACK, port)) for name, port in ports.items()}
    with Network(links) as network:
        yield network


@contextmanager
def process(name: str, network: Network, folder: Path) -> Iterator[psutil.Process]:
    """Run a program as PID 1 of a namespace of its own; yield it as it is seen from outside."""
    words = list(PROGRAMS[name])
    if name == "beat":
        words += ["--schedule", str(folder / "schedule")]
    if name == "flower":
        words += [f"--port={free_port()}"]
    env = os.environ | {"WORKER_GRACE_S": str(GRACE_S), "FLOWER_BASIC_AUTH": "nobody:nothing"}
    for server, link in network.links.items():
        parts = urlsplit(os.environ[f"{server}_URL"])
        at = f"{parts.netloc.rpartition('@')[0]}@{LOOPBACK}:{link.port}"
        env[f"{server}_URL"] = parts._replace(netloc=at).geturl()
    with (folder / "log").open("wb") as log:
        unshare = subprocess.Popen([*AS_PID_1, *words], env=env, cwd=PROJECT, stdout=log, stderr=log)
    try:
        yield wait_until(lambda: next(iter(psutil.Process(unshare.pid).children()), None), every_s=0.005)
    finally:
        unshare.kill()
        unshare.wait()


def ended(child: psutil.Process, folder: Path) -> int:
    """Send SIGTERM, and return the status with which the process ended within its limit."""
    began = time.monotonic()
    parent = child.parent()
    assert parent is not None
    child.send_signal(signal.SIGTERM)
    status = parent.wait(LIMIT_S + 20)
    log = (folder / "log").read_text("utf-8", "replace")[-3000:]
    assert time.monotonic() - began < LIMIT_S, log
    return int(status or 0)


def handles_sigterm(child: psutil.Process) -> bool:
    """Return whether the process has a handler of its own for SIGTERM."""
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_process_that_starts_as_pid_1_ends_at_once(name: str, network: Network, tmp_path: Path) -> None:
    with process(name, network, tmp_path) as child:
        wait_until(lambda: handles_sigterm(child), every_s=0.001)
        assert ended(child, tmp_path) in {0, ENDED_BY_SIGTERM}


@pytest.mark.parametrize(
    ("name", "server"),
    [("relay", "DATABASE"), ("relay", "BROKER"), ("gpu-worker", "DATABASE"), ("gpu-worker", "BROKER"),
     ("cpu-worker", "BROKER"), ("flower", "BROKER")],
)  # fmt: skip
def test_a_process_whose_server_never_answered_ends(
    name: str, server: str, network: Network, tmp_path: Path, db: str
) -> None:
    register_builtin_models()
    network.turn(server, Mode.DARK)
    with process(name, network, tmp_path) as child:
        wait_until(lambda: network.links[server].pairs, what=(tmp_path / "log").read_text)
        assert handles_sigterm(child)
        assert ended(child, tmp_path) in {0, ENDED_BY_SIGTERM}


@pytest.mark.parametrize("dark", [("DATABASE",), ("BROKER",), ("DATABASE", "BROKER")], ids="+".join)
def test_a_worker_whose_servers_fell_silent_ends(
    dark: tuple[str, ...], network: Network, tmp_path: Path, db: str, broker_url: str
) -> None:
    register_builtin_models()
    with process("gpu-worker", network, tmp_path) as child, kombu.Connection(broker_url) as broker:
        wait_until(lambda: (counts := broker_queues.counts(broker, "echo")) and counts.consumers)
        wait_until(lambda: Worker.objects.filter(ended_at=None).exists())
        for server in dark:
            network.turn(server, Mode.DARK)
        ended(child, tmp_path)

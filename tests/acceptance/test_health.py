"""`manage.py health` beside a stack: a process is well while it works, and not while it only lives."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import manage
from tests.support.app import App
from tests.support.wait import wait_until

PROCESSES = {"relay": "relay", "worker": "gpu-worker-0", "cpu": "cpu-worker"}
LEAVE = ("DATABASE_URL", "BROKER_URL", "RABBITMQ_MANAGEMENT_URL", "SECRET_KEY", "PAYLOAD_DIR")


def health(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator's second terminal would, with the settings of the stack."""
    info = stack.info
    env = {name: value for name, value in os.environ.items() if name not in LEAVE}
    env |= {
        "DATABASE_URL": info["database"], "BROKER_URL": info["broker"],
        "SECRET_KEY": (stack.run_dir / "secret-key").read_text(), "HEALTH_DIR": str(stack.run_dir / "health"),
        "FLOWER_BASIC_AUTH": f"{info['admin_user']}:{info['admin_password']}",
    }  # fmt: skip
    return subprocess.run(
        [*manage("health", *words)], env=env, cwd=PROJECT, capture_output=True, text=True, check=False
    )


def test_every_process_of_a_stack_that_is_ready_is_well(stack: Stack, app: App) -> None:
    several = health(stack, "relay", "worker", "cpu")
    assert several.returncode == 0, several.stdout + several.stderr
    assert "worker: serves minilm, echo, sleeper" in several.stdout
    for name, key in (("web", "api"), ("stream", "stream"), ("flower", "flower")):
        ended = health(stack, name, "--url", stack.info[key])
        assert ended.returncode == 0, ended.stdout + ended.stderr


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_lives_and_does_nothing_is_not_well(stack: Stack, app: App, name: str) -> None:
    pid = stack.pid(PROCESSES[name])
    with stopped(pid):
        wait_until(lambda: health(stack, name).returncode == 1, limit_s=40)
        assert psutil.pid_exists(pid)
    ended = health(stack, name, "--wait", "40")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_nobody_is_well_who_has_another_name(stack: Stack) -> None:
    assert health(stack, "worker-7").returncode == 1
    ended = health(stack, "workers")
    assert ended.returncode == 1
    assert "there are relay, worker" in ended.stderr

"""An autoscaler that a test runs beside the stack, and its workers, none of which outlive the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from jobs.management.scaling.worker_place import MARK
from tests.support.app import stack_env
from tests.support.wait import wait_until

FIRST_INDEX = 60
OTHER_HOST = Path(__file__).with_name("other_host")


class RunningAutoscaler:
    """One autoscaler process of a stack, with its log."""

    def __init__(self, stack: Stack, *words: str, host: str = "", log: str = "autoscale", **env: str) -> None:
        self.marks = stack.run_dir / f"scaled-{host or 'here'}"
        self.marks.mkdir(exist_ok=True)
        self.log_path = stack.run_dir / "log" / f"{log}.log"
        path = {"PYTHONPATH": str(OTHER_HOST), "FAKE_HOST": host} if host else {}
        with self.log_path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "autoscale", "--first-index", str(FIRST_INDEX), *words],
                env={**stack_env(stack), "HEALTH_DIR": str(self.marks), **path, **env},
                cwd=PROJECT, stdout=output, stderr=output,
            )  # fmt: skip

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def workers(self) -> list[psutil.Process]:
        return workers_of(self.marks)

    def wait_for_log(self, words: str, *, limit_s: float = 60.0) -> None:
        wait_until(lambda: words in self.log, limit_s=limit_s, what=lambda: f"{words}: {self.log[-2000:]}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)


def workers_of(marks: Path) -> list[psutil.Process]:
    """Return the workers of the autoscaler whose marks lie in this folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            leads = os.getsid(process.pid) == process.pid and process.status() != psutil.STATUS_ZOMBIE
            if leads and process.environ().get(MARK, "").startswith(f"{marks}/"):
                found.append(process)
    return found


@contextmanager
def autoscaling(
    stack: Stack, *words: str, host: str = "", log: str = "autoscale", **env: str
) -> Iterator[RunningAutoscaler]:
    """Run an autoscaler; afterwards neither it nor a worker of it is left."""
    scaler = RunningAutoscaler(stack, *words, host=host, log=log, **env)
    try:
        yield scaler
        if scaler.process.poll() is None:
            assert scaler.end() == 0, scaler.log[-3000:]
    finally:
        with suppress(ProcessLookupError):
            scaler.process.kill()
        scaler.process.wait()
        for worker in scaler.workers():
            with suppress(psutil.NoSuchProcess):
                worker.kill()

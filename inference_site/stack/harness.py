"""The stack from outside: start one, look up its addresses, kill its processes, end it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from inference_site.stack.leash import death_words, end_recorded
from inference_site.stack.private_files import private_dir
from inference_site.stack.record import FILE
from inference_site.stack.services import PROJECT
from inference_site.stack.stack_errors import StackError, StartError
from inference_site.stack.supervisor_lock import held, holder

START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 120.0
POLL_S = 0.05


class Stack:
    """`with Stack(run_dir=…) as stack:` runs a stack while the block runs.

    It has a supervisor of its own, as `make up` has, and ends with this process.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        only: Sequence[str] = (),
        workers: int | None = None,
        durable: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Choose the programs (all by default) and variables to add to their environment."""
        self.run_dir = private_dir(run_dir)
        self._words = _up_words(self.run_dir, only=only, workers=workers, durable=durable, env=env or {})
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """Return the contents of stack.json."""
        info: dict[str, Any] = json.loads((self.run_dir / FILE).read_text())
        return info

    def pid(self, name: str) -> int:
        """Return the process id of a process by its name in stack.json."""
        return int(self.info["pids"][name])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a process a signal; return its id."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def wait_restarted(self, name: str, *, old_pid: int, timeout_s: float = 60.0) -> int:
        """Return the new id of a process once it is started again; StackError."""
        deadline = time.monotonic() + timeout_s
        while (pid := self.pid(name)) == old_pid:
            if time.monotonic() > deadline:
                raise StackError(f"{name} was not started again within {timeout_s:.0f} s")
            time.sleep(POLL_S)
        return pid

    def __enter__(self) -> Self:
        """Start the stack; return when it is ready."""
        with (private_dir(self.run_dir / "log") / "supervisor.log").open("ab") as log:
            supervisor = self._supervisor = subprocess.Popen(
                self._words, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait_ready(supervisor)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the stack."""
        self.stop()

    def stop(self) -> None:
        """End all processes; a second call does nothing."""
        if self._supervisor is None:
            return
        self._supervisor.terminate()
        self._supervisor.wait(STOP_TIMEOUT_S)
        self._supervisor = None
        end_recorded(self.run_dir)

    def delete(self) -> None:
        """Delete the run directory of a stack that has ended."""
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def _wait_ready(self, supervisor: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self.run_dir / FILE).exists():
            ended = supervisor.poll() is not None
            if ended or time.monotonic() > deadline:
                log = (self.run_dir / "log" / "supervisor.log").read_text()[-4000:]
                raise StartError(f"the stack in {self.run_dir} did not come up: {log}")
            time.sleep(POLL_S)


def _up_words(
    run_dir: Path, *, only: Sequence[str], workers: int | None, durable: bool, env: Mapping[str, str]
) -> list[str]:
    words = [*death_words(signal.SIGTERM), sys.executable, "-m", "inference_site.stack", "up"]
    words += ["--run-dir", str(run_dir)]
    words += ["--only", ",".join(only)] if only else []
    words += ["--workers", str(workers)] if workers is not None else []
    words += [] if durable else ["--fragile"]
    return words + [word for key, value in env.items() for word in ("--env", f"{key}={value}")]


def down(run_dir: Path) -> str:
    """End the stack of a run directory, or processes that a killed one left; return a sentence about it."""
    number = holder(run_dir)
    if held(run_dir) and number is not None:
        os.kill(number, signal.SIGTERM)
        _wait_released(run_dir)
        _wait_gone(number)
        return f"the stack in {run_dir} has ended"
    names = end_recorded(run_dir)
    (run_dir / FILE).unlink(missing_ok=True)
    return f"no stack was up in {run_dir}" + (f"; ended what was left: {', '.join(names)}" if names else "")


def _wait_released(run_dir: Path) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while held(run_dir):
        if time.monotonic() > deadline:
            raise StackError(f"the stack in {run_dir} did not end within {STOP_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)


def _wait_gone(number: int) -> None:
    """Wait for the end of the process, which releases its lock a moment earlier."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(POLL_S)

"""One place for a worker on a host: a GPU, or a part of the CPU, and the process that runs there.

A worker is no child in the sense of an end with its parent: it has a session of its own and goes on when the
autoscaler dies. Its environment names the place, and so the next autoscaler knows it again: there is no file
that could miss a worker that was started a moment before the death.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from jobs.broker.topology import gpu_node
from jobs.core.scaling.start_backoff import StartBackoff

MARK = "AUTOSCALE_PLACE"  # the variable that names a worker's place
WORDS = "AUTOSCALE_WORDS"  # and that of its command line, which a process may change


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """What the workers of a host have in common: options, and the autoscaler's lock, which names them."""

    models: Sequence[str]
    options: Sequence[str]
    lock: str
    metrics_port: int = 0
    counts: str = ""
    log_dir: Path | None = None

    def words(self, place: WorkerPlace) -> list[str]:
        """Return the command line of the worker of a place."""
        program = str(Path(sys.argv[0]).resolve())
        own = [*place.device, "--models", ",".join(self.models), "--index", str(place.index)]
        return [sys.executable, program, "gpu_worker", *own, *self.options]

    def line(self, place: WorkerPlace) -> str:
        """Return the command line as it is compared with that of an adopted worker."""
        return shlex.join(self.words(place)[1:])

    def env(self, place: WorkerPlace, environ: Mapping[str, str]) -> dict[str, str]:
        """Return its environment: its mark, its name, and a page of metrics of its own."""
        own = {MARK: self.mark(place), WORDS: self.line(place), "PROCESS_NAME": place.name}
        if self.metrics_port:
            own["METRICS_PORT"] = str(self.metrics_port + 1 + place.number)
        if self.counts:
            own["PROMETHEUS_MULTIPROC_DIR"] = str(Path(self.counts) / place.name)
        return {**environ, **own}

    def mark(self, place: WorkerPlace) -> str:
        """Return what names this place on this host, also among autoscalers of other platforms."""
        return f"{self.lock}#{place.index}"


@dataclass(slots=True)
class WorkerPlace:
    """A place, its number on this host, the index of its worker, and the worker if one runs."""

    number: int
    index: int
    host: str
    device: Sequence[str]
    process: psutil.Process | None = None
    child: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    watched_s: float = 0.0  # since then it has been looked at whether it serves
    ready_s: float | None = None
    drained_s: float | None = None
    killed: bool = False
    is_outdated: bool = False
    is_foreign: bool = False
    backoff: StartBackoff = field(default_factory=StartBackoff)

    @property
    def name(self) -> str:
        """Return the worker's name in logs and metrics."""
        return f"gpu-worker-{self.index}"

    @property
    def node(self) -> str:
        """Return the worker's Celery node."""
        return gpu_node(self.index, self.host)

    @property
    def runs(self) -> bool:
        """Return whether a worker runs here that is not to end."""
        return self.process is not None and self.drained_s is None

    @property
    def starts(self) -> bool:
        """Return whether its worker has not served yet."""
        return self.runs and self.ready_s is None

    def is_overdue(self, since_s: float) -> bool:
        """Return whether it was to end before `since_s`, and has neither ended nor been killed."""
        if self.process is None or self.killed or self.drained_s is None:
            return False
        return self.drained_s < since_s

    def is_stuck(self, since_s: float) -> bool:
        """Return whether its worker has started since before `since_s`, and neither serves nor was killed."""
        return self.starts and not self.killed and self.watched_s < since_s

    def start(self, command: WorkerCommand, now_s: float) -> None:
        """Start a worker; OSError where that fails."""
        log = None if command.log_dir is None else (command.log_dir / f"{self.name}.log").open("ab")
        try:
            self.child = subprocess.Popen(
                command.words(self),
                env=command.env(self, os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()
        self._hold(psutil.Process(self.child.pid), now_s)

    def adopt(self, command: WorkerCommand, process: psutil.Process, now_s: float) -> None:
        """Take over a worker that an earlier autoscaler has started, maybe with other models or options."""
        self.child = None
        self._hold(process, now_s)
        with suppress(psutil.Error):
            self.is_outdated = process.environ().get(WORDS) != command.line(self)

    def _hold(self, process: psutil.Process, now_s: float) -> None:
        self.process, self.started_s, self.watched_s = process, now_s, now_s
        self.ready_s = self.drained_s = None
        self.killed = self.is_outdated = False

    def drain(self, now_s: float) -> None:
        """Ask the worker to finish its batches and end."""
        self.drained_s = now_s
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End the worker, whose grace is over; what it held is given to others."""
        self.killed = True
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(psutil.NoSuchProcess):
                self.process.send_signal(number)

    def ended(self) -> int | None:
        """Return the exit status of a worker that has ended since the last call, else None.

        The status of an adopted one is not known: it counts as 0, but where it was killed.
        """
        if self.process is None or _lives(self.process, self.child):
            return None
        unknown = -signal.SIGKILL if self.killed else 0
        status = unknown if self.child is None else self.child.returncode
        self.process = self.child = None
        return status


def _lives(process: psutil.Process, child: subprocess.Popen[bytes] | None) -> bool:
    if child is not None:
        return child.poll() is None
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def running_workers(lock: str) -> list[tuple[str, psutil.Process]]:
    """Return the workers of this user that an autoscaler with this lock has started, with their marks.

    Helpers of a worker inherit its environment, but the worker alone leads its session.
    """
    marked = ((_mark_of(process), process) for process in psutil.process_iter())
    return [(mark, process) for mark, process in marked if mark.rpartition("#")[0] == lock]


def _mark_of(process: psutil.Process) -> str:
    try:
        if os.getsid(process.pid) != process.pid or process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):
        return ""

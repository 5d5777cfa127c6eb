"""Child processes that cannot outlive their parent, each in a session of its own.

The kernel sends a child its `death` signal when the *thread* that started it ends, so start children from a
thread that lives as long as they must.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inference_site.stack.private_files import private_dir, write_private
from inference_site.stack.stack_errors import StartError

POLL_S = 0.05
GONE_S = 5.0  # the kernel takes a killed process apart in the background


@dataclass(frozen=True, kw_only=True)
class Command:
    """How to start a child: its command, its environment, and the signal that its parent's death sends it."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    death: signal.Signals = signal.SIGKILL
    before: Sequence[str] = field(default=())
    cwd: Path | None = None


def death_words(death: signal.Signals) -> list[str]:
    """Return the words that, before a command, make it end with its parent."""
    if shutil.which("setpriv") is None:
        return []
    return ["setpriv", "--pdeathsig", death.name.removeprefix("SIG"), "--"]


def start_time(pid: int) -> str | None:
    """Return the kernel's start time of a live process, which no later process with its id shares."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


class Child:
    """One running process, its log, and a record so that a later start can end it."""

    def __init__(self, command: Command, *, run_dir: Path) -> None:
        """Start the command, its output appended to `<run_dir>/log/<name>.log`."""
        self.name = command.name
        self.log_path = private_dir(run_dir / "log") / f"{command.name}.log"
        self._record = private_dir(run_dir / "pids") / f"{command.name}.json"
        words = [*command.before, *death_words(command.death), *command.argv]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                words,
                env=dict(command.env),
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        record = {"pid": self.pid, "started": start_time(self.pid)}
        write_private(self._record, json.dumps(record))

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    def ended(self) -> bool:
        """Return whether the process has ended; if so, also end the rest of its group."""
        if self.process.poll() is None:
            return False
        self._sweep()
        return True

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, unless it has ended."""
        self.process.send_signal(number)

    def finish(self, grace_s: float) -> None:
        """Wait `grace_s` seconds for the end, then kill the process and its group."""
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._sweep()

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Return once `ready()` is true; StartError if the process ends or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.ended():
                raise StartError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready within {timeout_s:.0f} s: {self.tail()}")
            time.sleep(POLL_S)

    def tail(self, size: int = 2000) -> str:
        """Return the path and the end of the log."""
        text = self.log_path.read_bytes()[-size:].decode(errors="replace")
        return f"{self.log_path}\n{text}"

    def _sweep(self) -> None:
        end_group(self.pid)
        self._record.unlink(missing_ok=True)


def end_group(pid: int) -> bool:
    """Kill the process group with this leader and wait for its end; return whether it had processes."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    until = time.monotonic() + GONE_S
    while _lives(pid) and time.monotonic() < until:
        time.sleep(POLL_S / 10)
    return True


def _lives(group: int) -> bool:
    """Return whether a process of the group is more than an entry that its parent has not read yet."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in {"Z", "X"}:
                return True
    return False


def end_recorded(run_dir: Path) -> list[str]:
    """End the processes that an earlier start left in this folder; return their names."""
    names = []
    for record in sorted((run_dir / "pids").glob("*.json")):
        leader = json.loads(record.read_text())
        # While its group lives, the id of a dead leader is not given to another process.
        ours = start_time(leader["pid"]) in {leader["started"], None}
        if ours and end_group(leader["pid"]):
            names.append(record.stem)
        record.unlink(missing_ok=True)
    return names

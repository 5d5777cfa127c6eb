"""Child processes that cannot outlive their parent, each in a session of its own.

The kernel sends a child its `death` signal when the *thread* that started it ends, so start
children from a thread that lives as long as they should.
"""

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


@dataclass(frozen=True, kw_only=True)
class Command:
    """How one child is started: its words, its environment and the signal of its parent's death."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    death: signal.Signals = signal.SIGKILL
    before: Sequence[str] = field(default=())
    cwd: Path | None = None


def death_words(death: signal.Signals) -> list[str]:
    """Return the words that tie the command behind them to its parent's life."""
    if shutil.which("setpriv") is None:
        return []
    return ["setpriv", "--pdeathsig", death.name.removeprefix("SIG"), "--"]


def start_time(pid: int) -> str | None:
    """Return the kernel's start time of a live process, which tells it from a later one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


class Child:
    """One running process, its log, and the record by which a later start can end it."""

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
        """Say whether the process has ended; its leftovers are then ended as well."""
        if self.process.poll() is None:
            return False
        self._sweep()
        return True

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal; one that has ended takes none."""
        self.process.send_signal(number)

    def finish(self, grace_s: float) -> None:
        """Wait `grace_s` seconds for the end, then bring it about, with all the process started."""
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._sweep()

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Return once `ready()`; raise StartError if the process ends or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.ended():
                raise StartError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} not ready in {timeout_s:.0f} s: {self.tail()}")
            time.sleep(POLL_S)

    def tail(self, size: int = 2000) -> str:
        """Return the end of the log, with its path."""
        text = self.log_path.read_bytes()[-size:].decode(errors="replace")
        return f"{self.log_path}\n{text}"

    def _sweep(self) -> None:
        end_group(self.pid)
        self._record.unlink(missing_ok=True)


def end_group(pid: int) -> bool:
    """Kill whatever is left in the process group that this leader opened; say if something was."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_recorded(run_dir: Path) -> list[str]:
    """End the processes that an earlier start left behind here; return their names."""
    left = []
    for record in sorted((run_dir / "pids").glob("*.json")):
        known = json.loads(record.read_text())
        # A leader that is gone still lends its id to its group, so nobody else can have it.
        ours = start_time(known["pid"]) in {known["started"], None}
        if ours and end_group(known["pid"]):
            left.append(record.stem)
        record.unlink(missing_ok=True)
    return left

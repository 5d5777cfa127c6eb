"""The processes of a run directory, and scripts to start and kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT

DEADLINE_S = 60.0


def processes_of(run_dir: Path) -> dict[int, str]:
    """Return the name of every live process that has this run directory in its words or environment."""
    names = {}
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and _belongs(process, str(run_dir)):
                names[process.pid] = process.name()
        except psutil.Error:
            continue
    return names


def nothing_left(run_dir: Path) -> bool:
    return not processes_of(run_dir)


def _belongs(process: psutil.Process, run_dir: str) -> bool:
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    return run_dir in "\0".join([*process.cmdline(), *process.environ().values()])


class Script:
    """A Python script in a process of its own, which sees no server but those it starts."""

    def __init__(self, text: str, *words: str, **env: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.endswith("_URL")}
        self.process = subprocess.Popen(
            [*death_words(signal.SIGKILL), sys.executable, "-c", text, *words],
            env={**inherited, "PYTHONPATH": str(PROJECT), **env},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Return the next line it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, number: signal.Signals) -> int:
        """Send it a signal; return its status once it has ended."""
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


StartScript = Callable[..., Script]

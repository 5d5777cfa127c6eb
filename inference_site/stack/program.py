"""A program of the project: the command that starts it, and the URL that shows when it is ready."""

import http.client
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from inference_site.stack.leash import Child, Command

START_TIMEOUT_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A program's name, command and environment; `health_url` answers 200 once it is ready.

    `health` is its name for `manage.py health`, which says when it does its work; may be empty.
    `death` is the signal that it gets when the supervisor dies; programs stop by `rank`, 0 first.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    health_url: str = ""
    health: str = ""
    death: signal.Signals = signal.SIGKILL
    grace_s: float = 10.0
    rank: int = 0


class Program:
    """A Spec with its running process."""

    def __init__(self, spec: Spec, *, run_dir: Path, env: Mapping[str, str], cwd: Path) -> None:
        """Prepare to run the spec; its own environment goes before `env`."""
        self.spec, self.name = spec, spec.name
        self.child: Child | None = None
        self._run_dir = run_dir
        self._command = Command(
            name=spec.name,
            argv=spec.argv,
            env={**env, "PROCESS_NAME": spec.name, **spec.env},
            death=spec.death,
            cwd=cwd,
        )

    def start(self) -> None:
        """Start the process without waiting for it."""
        self.child = Child(self._command, run_dir=self._run_dir)

    def wait_ready(self) -> None:
        """Return once its health URL answers; at once if it has none."""
        if self.child is not None:
            self.child.wait_until(self._healthy, timeout_s=START_TIMEOUT_S)

    def ask_to_stop(self) -> None:
        """Ask the process to end."""
        if self.child is not None:
            self.child.send(signal.SIGTERM)

    def finish(self) -> None:
        """Return once the process has ended."""
        if self.child is not None:
            self.child.finish(self.spec.grace_s)
            self.child = None

    def _healthy(self) -> bool:
        return not self.spec.health_url or answers(self.spec.health_url)


def answers(url: str) -> bool:
    """Return whether the URL answers 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

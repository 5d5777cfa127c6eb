"""The processes of a site, started and stopped one by one, each from a tree of code of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import kombu
import psycopg

from inference_site.stack.leash import death_words
from inference_site.stack.ports import LOOPBACK, free_ports
from inference_site.stack.private_files import private_dir
from inference_site.stack.services import PROJECT
from jobs.broker import broker_queues
from tests.support.wait import wait_until

START_S, STOP_S = 180.0, 60.0
ENDED = {0, -signal.SIGTERM}
WEB = (
    "-m", "granian", "--interface", "asgi", "--host", LOOPBACK, "--workers", "1",
    "--workers-kill-timeout", "8", "--no-ws", "--http", "1", "inference_site.asgi:application",
)  # fmt: skip
SETS_UP = """
import sys, django; django.setup()
from django.core.management import call_command
for words in sys.argv[1:]: call_command(*words.split())
"""


class Site:
    """`with Site(folder, env) as site:` ends every process that it started.

    `env` is what all processes have: DATABASE_URL, BROKER_URL, keys. It may be changed: later starts see it.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = private_dir(folder)
        places = {
            name: str(private_dir(folder / name.lower())) for name in ("HEALTH_DIR", "ARTIFACT_CACHE_DIR")
        }
        self.env = {
            "PAYLOAD_DIR": str(private_dir(folder / "payloads")), **places, **env,
            "DJANGO_SETTINGS_MODULE": "inference_site.settings", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def commands(self, *lines: str, tree: Path = PROJECT, env: Mapping[str, str] | None = None) -> str:
        """Run management commands in one process, and return what they printed."""
        ran = subprocess.run(
            [sys.executable, "-c", SETS_UP, *lines],
            cwd=tree, env=self.environment(tree, env), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
        return ran.stdout

    def start(self, name: str, *words: str, tree: Path = PROJECT, **env: str) -> subprocess.Popen[bytes]:
        """Start a process of Python without waiting for it; its output goes to `log_of(name)`."""
        with self.log_of(name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                [*death_words(signal.SIGKILL), sys.executable, *words],
                cwd=tree, env=self.environment(tree, env), stdout=log, stderr=log,
            )  # fmt: skip
        return self.running[name]

    def start_web(self, name: str, *, tree: Path = PROJECT, **env: str) -> str:
        """Start a web process on a free port, without waiting for it; return its URL."""
        (port,) = free_ports(1)
        url = f"http://{LOOPBACK}:{port}"
        self.start(name, *WEB, "--port", str(port), tree=tree, API_URL=url, STREAM_URL=url, **env)
        return url

    def start_relay(self, name: str, *, tree: Path = PROJECT, **env: str) -> None:
        self.start(name, "manage.py", "relay", tree=tree, **env)

    def start_worker(
        self, name: str, *, index: int, models: str = "echo", tree: Path = PROJECT, **env: str
    ) -> None:
        words = ("gpu_worker", "--cpu", "--models", models, "--index", str(index), "--lanes", "1")
        self.start(name, "manage.py", *words, tree=tree, **env)

    def wait_web(self, name: str, url: str) -> None:
        """Wait until a web process can take jobs."""
        self._wait(name, lambda: _status(f"{url}/readyz") == httpx.codes.OK)

    def wait_relay(self, name: str) -> None:
        """Wait until a relay holds leases, as one of several or alone."""
        pid = self.running[name].pid
        held = "SELECT count(*) FROM jobs_leaseholder WHERE label LIKE %s AND expires_at > now()"
        self._wait(name, lambda: self.value(held, f"%{pid}") > 0)

    def wait_worker(self, name: str, *, model: str = "echo", alone: bool = False) -> None:
        """Wait until a worker has a row, and a consumer beside the others; if `alone`, these have none."""
        pid = self.running[name].pid
        live = "SELECT count(*) FROM jobs_worker WHERE pid = %s AND ended_at IS NULL"
        all_live = "SELECT count(*) FROM jobs_worker WHERE ended_at IS NULL AND %s = ANY(model_names)"
        self._wait(
            name,
            lambda: (
                self.value(live, pid)
                and self._consumers(model) >= (1 if alone else self.value(all_live, model))
            ),
        )

    def stop(self, name: str) -> None:
        """Ask a process to end, and wait until it has."""
        process = self.running.pop(name)
        process.terminate()
        status = process.wait(STOP_S)
        assert status in ENDED, f"{name} ended with {status}: {self.tail(name)}"

    def value(self, query: str, *values: Any) -> Any:
        """Return the one value of a query of the site's database."""
        ((value,),) = self.rows(query, *values)
        return value

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def log_of(self, name: str) -> Path:
        return private_dir(self.folder / "log") / f"{name}.log"

    def tail(self, name: str) -> str:
        return self.log_of(name).read_text(errors="replace")[-3000:]

    def _consumers(self, model: str) -> int:
        with kombu.Connection(self.env["BROKER_URL"]) as connection:
            counts = broker_queues.counts(connection, model)
        return 0 if counts is None else counts.consumers

    def environment(self, tree: Path = PROJECT, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a process that runs the code of `tree`."""
        # The client's package would else be the one that the environment of Python knows, of this tree.
        path = os.pathsep.join([str(tree), str(tree / "jobs" / "client" / "src")])
        return {**os.environ, "PYTHONPATH": path, **self.env, **(env or {})}

    def _wait(self, name: str, holds: Any) -> None:
        process = self.running[name]
        wait_until(
            lambda: holds() or process.poll() is not None, limit_s=START_S, what=lambda: self.tail(name)
        )
        assert process.poll() is None, self.tail(name)


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code
    except httpx.HTTPError:
        return 0

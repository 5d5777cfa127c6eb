"""The stack of compose.yaml in containers: the same services, but for the images of servers and the order.

The order is kept here: elsewhere a timer of systemd asks for a container's health; here this program does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from inference_site.stack.private_files import write_private
from inference_site.stack.services import PROJECT
from tests.smoke_image.bases import POSTGRES, PROXY, RABBITMQ
from tests.smoke_image.engine import GATEWAY, NETWORK, Engine, EngineError, command
from tests.smoke_image.images import WEB, WORKER
from tests.support.wait import wait_until

NAME = "smoke"
HTTPS_PORT, HTTP_PORT, ADMIN_PORT, FLOWER_PORT = 18443, 18080, 18444, 18445
STARTS_S = 600.0
SERVERS = ("postgres", "rabbitmq-1", "rabbitmq-2", "rabbitmq-3")
ONCE = ("database-roles", "migrate")
PROCESSES = ("web", "stream", "registrar", "relay", "gpu-worker", "cpu-worker", "beat", "flower")
OURS = ("database-roles", "migrate", *PROCESSES)
SETTINGS = {
    "API_URL": f"https://localhost:{HTTPS_PORT}",
    "STREAM_URL": f"https://localhost:{HTTPS_PORT}",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,web,stream",
    "APP_IMAGE": WEB,
    "WORKER_IMAGE": WORKER,
    "POSTGRES_IMAGE": POSTGRES,
    "RABBITMQ_IMAGE": RABBITMQ,
    "PROXY_IMAGE": PROXY,
    "PROXY_RESOLVER": GATEWAY,
    "PUBLIC_ADDRESS": "127.0.0.1",
    "PUBLIC_HTTPS_PORT": str(HTTPS_PORT),
    "PUBLIC_HTTP_PORT": str(HTTP_PORT),
    "POSTGRES_SHARED_BUFFERS": "256MB",
    "RABBITMQ_DISK_FREE": "500MB",
    "WEB_WORKERS": "1",
    "ALLOW_TORCH_PROGRAMS": "true",
}


class Stack:
    """The containers of one deployment, by the names of their services."""

    def __init__(self, engine: Engine) -> None:
        """Copy compose/, render its secrets and certificates, and write the services that run."""
        self.engine = engine
        self.folder = engine.home / "compose"
        shutil.rmtree(self.folder, ignore_errors=True)  # of a run that kept its images
        shutil.copytree(
            PROJECT / "compose", self.folder, ignore=shutil.ignore_patterns("__pycache__", ".env", "rendered")
        )
        write_private(self.folder / ".env", "".join(f"{name}={value}\n" for name, value in SETTINGS.items()))
        self._do([sys.executable, str(self.folder / "render.py"), str(self.folder)])
        self.services = _services(yaml.safe_load((self.folder / "compose.yaml").read_text()))
        (self.folder / "smoke.yaml").write_text(yaml.safe_dump(self.services))
        self.compose = _podman_compose(engine)
        engine.make_network()

    def start(self) -> dict[str, float]:
        """Start everything in its order; return the seconds of each step."""
        steps = dict[str, float]()
        for names in (("wal-archive-owner",), SERVERS, *((name,) for name in ONCE), PROCESSES, ("proxy",)):
            began = time.monotonic()
            self.up(names)
            for name in names:
                self._wait_for(name)
            steps["+".join(names)] = time.monotonic() - began
        return steps

    def up(self, names: Sequence[str]) -> None:
        """Make and start the containers of these services."""
        words = [
            "--podman-path",
            str(self.engine.program),
            "--in-pod",
            "0",
            "--file",
            "smoke.yaml",
            "--project-name",
            NAME,
        ]
        self._do([str(self.compose), *words, "up", "--detach", "--no-build", *names])

    def container(self, service: str) -> str:
        """Return the name of the service's first container."""
        return f"{NAME}_{service}_1"

    def inside(self, service: str, *words: str) -> str:
        """Return what a command prints in the service's container; EngineError."""
        return self.engine.say("exec", self.container(service), *words)

    def health(self, service: str) -> tuple[bool, str]:
        """Ask the service's own check once; return whether it is healthy, and the words of the check."""
        name = self.container(service)
        done = self.engine.run("healthcheck", "run", name, check=False)
        log = self.engine.inspect(name)["State"].get("Health", {}).get("Log") or [{}]
        return done.returncode == 0, str(log[-1].get("Output", done.stdout + done.stderr)).strip()

    def grace_s(self, service: str) -> int:
        """Return the seconds that the service has to end after SIGTERM."""
        text = str(self.services["services"][service].get("stop_grace_period", "10s"))
        return int(text.rpartition(":-")[2].strip("}s"))

    def logs(self, service: str) -> str:
        """Return the last lines of the service."""
        done = self.engine.run("logs", "--tail", "40", self.container(service), check=False)
        return done.stdout + done.stderr

    def _wait_for(self, name: str) -> None:
        once = name in ONCE or name == "wal-archive-owner"
        try:
            wait_until(
                lambda: self._ended_well(name) if once else self._is_healthy(name),
                limit_s=STARTS_S,
                every_s=1.0,
                what=f"{name} {'ended' if once else 'is healthy'}",
            )
        except AssertionError as error:
            raise EngineError(f"{error}\n{self.logs(name)}") from None

    def _ended_well(self, name: str) -> bool:
        state = self.engine.inspect(self.container(name))["State"]
        if state["Status"] == "exited" and state["ExitCode"]:
            raise EngineError(f"{name} ended with status {state['ExitCode']}:\n{self.logs(name)}")
        return bool(state["Status"] == "exited")

    def _is_healthy(self, name: str) -> bool:
        state = self.engine.inspect(self.container(name))["State"]
        if state["Status"] == "exited":
            raise EngineError(f"{name} ended with status {state['ExitCode']}:\n{self.logs(name)}")
        return "healthcheck" not in self.services["services"][name] or self.health(name)[0]

    def _do(self, words: Sequence[str]) -> None:
        done = subprocess.run(
            words,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=STARTS_S,
        )
        with self.engine.log.open("a") as file:
            file.write(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}-> {done.returncode}\n")
        if done.returncode:
            raise EngineError(f"{' '.join(words)}: {(done.stdout + done.stderr)[-2000:]}")


def _services(compose: Mapping[str, Any]) -> dict[str, Any]:
    """Return the services that run here, without what this program does itself: order and network."""
    chosen = ("wal-archive-owner", *SERVERS, *OURS, "proxy")
    dropped = {"depends_on", "build", "profiles", "restart"}
    services = {
        name: {key: value for key, value in compose["services"][name].items() if key not in dropped}
        for name in chosen
    }
    for service in services.values():
        service.pop("deploy", None)  # one of each
        # Where a service names a limit, podman asks for more processes than this machine may allow.
        service["ulimits"] = {**service.get("ulimits", {}), "nproc": {"soft": 30000, "hard": 30000}}
    return {
        "services": services,
        "volumes": compose["volumes"],
        "secrets": compose["secrets"],
        "networks": {"default": {"name": NETWORK, "external": True}},
    }


def _podman_compose(engine: Engine) -> Path:
    folder = engine.home / "tools"
    venv.create(folder, with_pip=True)
    lock = str(Path(__file__).with_name("podman_compose.lock"))
    words = ["install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", lock]
    done = command([str(folder / "bin/python"), "-m", "pip", *words], engine.log)
    if done.returncode:
        raise EngineError(f"pip cannot install podman-compose: {done.stderr.strip()[-500:]}")
    return folder / "bin/podman-compose"

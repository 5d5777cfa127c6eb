"""Prometheus with compose's own rules, which scrapes every process; Debian's, where none is installed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from inference_site.stack import debian
from inference_site.stack.debian import Package
from inference_site.stack.leash import Child, Command
from inference_site.stack.ports import LOOPBACK
from inference_site.stack.program import answers
from inference_site.stack.services import PROJECT
from tests.smoke.addresses import Addresses
from tests.smoke.rendering import Rendered

START_S = 30.0
PROMETHEUS, EXPORTER = "prometheus", "node-exporter"
STEP_S = 5


@dataclass(frozen=True)
class Alert:
    """An alert that was pending or fired; `seconds` is how long it was seen in that state."""

    name: str
    severity: str
    state: str
    seconds: float


class Tool:
    """One of Prometheus' programs, by the name of its Debian package."""

    def __init__(self, run_dir: Path, *, name: str, addresses: Addresses) -> None:
        """Prepare to run it."""
        self.child: Child | None = None
        self.name, self.run_dir = name, run_dir
        self.where = f"{LOOPBACK}:{addresses.port(name)}"

    def start(self) -> None:
        """Start it without waiting for it."""
        argv = [str(tool(self.name)), f"--web.listen-address={self.where}", *self.options()]
        self.child = Child(Command(name=self.name, argv=argv, env=os.environ), run_dir=self.run_dir)

    def options(self) -> list[str]:
        """Return the further words of its command."""
        return ["--collector.disable-defaults", "--collector.filesystem"]  # the host's disks, as in compose

    def wait_ready(self) -> None:
        """Return once it answers."""
        assert self.child is not None
        self.child.wait_until(lambda: answers(f"http://{self.where}{self.ready_path}"), timeout_s=START_S)

    def finish(self) -> None:
        """End it."""
        if self.child is not None:
            self.child.finish(0)
            self.child = None

    ready_path = "/"


class Watcher(Tool):
    """Prometheus."""

    ready_path = "/-/ready"

    def __init__(self, run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> None:
        """Prepare to scrape."""
        super().__init__(run_dir, name=PROMETHEUS, addresses=addresses)
        self._config = rendered.prometheus_conf

    def options(self) -> list[str]:
        """Return the further words of its command."""
        return [f"--config.file={self._config}", f"--storage.tsdb.path={self.run_dir / 'prometheus'}"]

    def targets(self) -> dict[str, str]:
        """Return what Prometheus thinks of each target now, by its address: up, down, unknown."""
        found = self._asked("targets")["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in found}

    def scraped(self, since: float, until: float) -> set[str]:
        """Return the addresses that were scraped at least once between two times."""
        query = f"max_over_time(up[{max(1, int(until - since))}s]) == 1"
        return {
            series["metric"]["instance"] for series in self._asked("query", query=query, time=until)["result"]
        }

    def alerts(self, since: float, until: float) -> list[Alert]:
        """Return the alerts between two times, in each of their states."""
        query = "count by (alertname, severity, alertstate) (ALERTS)"
        found = self._asked("query_range", query=query, start=since, end=until, step=STEP_S)["result"]
        return [
            Alert(of["alertname"], of["severity"], of["alertstate"], STEP_S * len(series["values"]))
            for series in found
            for of in [series["metric"]]
        ]

    def _asked(self, what: str, **fields: Any) -> Any:
        url = f"http://{self.where}/api/v1/{what}"
        answer = httpx.get(url, params=fields, timeout=20, trust_env=False)
        return answer.raise_for_status().json()["data"]


def tool(name: str) -> Path:
    """Return one of Prometheus' programs: the one on the PATH, else Debian's, unpacked; StackError."""
    package = name if name.startswith("prometheus") else f"prometheus-{name}"
    if found := shutil.which(package):
        return Path(found)
    root = PROJECT / ".run" / f"{package}-root"
    return debian.unpacked(root, Package(package, (), "PATH to one's folder")) / "usr/bin" / package

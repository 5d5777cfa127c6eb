"""Prometheus with compose's own rules, which scrapes every process; Debian's, where none is installed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from inference_site.stack.leash import Child, Command
from inference_site.stack.ports import LOOPBACK
from inference_site.stack.program import answers
from inference_site.watching.prometheus_tools import find_tool
from tests.smoke.addresses import Addresses
from tests.smoke.rendering import Rendered

START_S = 30.0
STEP_S = 5


@dataclass(frozen=True)
class Alert:
    """An alert that was pending or fired; `seconds` is how long it was seen in that state."""

    name: str
    severity: str
    state: str
    seconds: float


class Watcher:
    """Prometheus."""

    name = "prometheus"

    def __init__(self, run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> None:
        """Prepare to scrape."""
        self.child: Child | None = None
        self._run_dir, self._rendered = run_dir, rendered
        self._where = f"{LOOPBACK}:{addresses.port(self.name)}"

    def start(self) -> None:
        """Start it without waiting for it."""
        data = self._run_dir / "prometheus"
        shutil.rmtree(data, ignore_errors=True)
        argv = [
            str(find_tool("prometheus")), f"--config.file={self._rendered.prometheus_conf}",
            f"--storage.tsdb.path={data}", f"--web.listen-address={self._where}",
        ]  # fmt: skip
        self.child = Child(Command(name=self.name, argv=argv, env=os.environ), run_dir=self._run_dir)

    def wait_ready(self) -> None:
        """Return once it answers."""
        assert self.child is not None
        self.child.wait_until(lambda: answers(f"http://{self._where}/-/ready"), timeout_s=START_S)

    def finish(self) -> None:
        """End it."""
        if self.child is not None:
            self.child.finish(0)
            self.child = None

    def targets(self) -> dict[str, str]:
        """Return what Prometheus thinks of each target now, by its address: up, down, unknown."""
        found = self._asked("targets")["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in found}

    def scraped(self, since: float, until: float) -> set[str]:
        """Return the addresses that were scraped at least once between two times."""
        query = f"max_over_time(up[{max(1, int(until - since))}s]) == 1"
        return {series["metric"]["instance"] for series in self._asked("query", query=query, time=until)["result"]}

    def alerts(self, since: float, until: float) -> list[Alert]:
        """Return the alerts between two times, in each of their states."""
        query = 'count by (alertname, severity, alertstate) (ALERTS)'
        found = self._asked("query_range", query=query, start=since, end=until, step=STEP_S)["result"]
        return [
            Alert(of["alertname"], of["severity"], of["alertstate"], STEP_S * len(series["values"]))
            for series in found
            for of in [series["metric"]]
        ]

    def _asked(self, what: str, **fields: Any) -> Any:
        url = f"http://{self._where}/api/v1/{what}"
        answer = httpx.get(url, params=fields, timeout=20, trust_env=False)
        return answer.raise_for_status().json()["data"]

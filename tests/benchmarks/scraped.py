"""A real Prometheus that scrapes the processes of a stack, with the rules that compose has."""

from __future__ import annotations

import contextlib
import json
import math
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from inference_site.stack.leash import death_words
from inference_site.stack.ports import LOOPBACK, free_port
from inference_site.watching.prometheus_tools import find_tool
from inference_site.watching.rule_check import FOLDER
from tests.support.wait import wait_until

EVERY = "1s"  # instead of 10 s, so that a minute is enough


class Prometheus:
    """Asks a running server."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self._http.get("/-/ready").is_success
        return False

    def values(self, expr: str) -> list[float]:
        """Return the values of an expression now; what divides by nothing is left out."""
        numbers = [float(series["value"][1]) for series in self.ask(expr)]
        return [number for number in numbers if not math.isnan(number)]

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """Return the series of an expression now."""
        answer = self._http.get("/api/v1/query", params={"query": expr}).json()
        assert answer["status"] == "success", answer
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    def firing(self) -> set[str]:
        return {series["metric"]["alertname"] for series in self.ask('ALERTS{alertstate="firing"}')}


@contextlib.contextmanager
def scraping(pages: Mapping[str, str], folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes each page, under the name of its process without a number."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.json").write_text(json.dumps(configuration(pages)))  # JSON is YAML
    words = [
        *death_words(signal.SIGKILL),
        str(find_tool("prometheus")),
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        prometheus = Prometheus(f"http://{LOOPBACK}:{port}")
        wait_until(prometheus.ready)
        yield prometheus
    finally:
        process.terminate()
        process.wait(30)


def configuration(pages: Mapping[str, str]) -> dict[str, Any]:
    jobs: dict[str, list[str]] = {}
    for name, page in pages.items():
        jobs.setdefault(re.sub(r"-\d+$", "", name), []).append(urlsplit(page).netloc)
    return {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": [str(FOLDER / "rules/*.yaml")],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": targets}]} for name, targets in jobs.items()
        ],
    }

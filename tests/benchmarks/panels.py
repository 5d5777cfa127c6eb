"""Whether each panel of the dashboards shows data, on a Prometheus that scraped a loaded stack.

All of `make up`'s processes, and jobs of every kind: single, bulk, waiting, failing, retried, refused,
shared, with webhooks. PANELS_SECONDS says for how long. A panel counts if one of its expressions gives a
series.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from inference_site.watching.write_dashboards import DASHBOARDS
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least
from tests.benchmarks.scraped import Prometheus, scraping
from tests.support.app import register
from tests.support.receiver import receiving

SECONDS = float(os.environ.get("PANELS_SECONDS", "60"))
WINDOW = "30s"
JOBS = "/api/v1/jobs"
# What a healthy stack on a machine without a GPU has no data for, and why.
NONE = {
    "Device utilisation": "no device",
    "Device memory": "no device",
    "Power": "no device",
    "Temperature": "no device",
}


def measure() -> Iterator[Figure]:
    with receiving() as receiver, bed("panels", (), env={"WEBHOOK_INTERNAL_HOSTS": "127.0.0.1"}) as ground:
        _prepare(ground)
        with scraping(ground.stack.info["metrics_pages"], ground.stack.run_dir / "prometheus") as prometheus:
            _load(ground, receiver.url)
            yield from _figures(prometheus)


def _prepare(ground: Bed) -> None:
    register(ground.stack, "echo", "faulty", "faulty")
    register(ground.stack, "echo", "cached", "echo", cache_ttl_s=60)
    register(ground.stack, "echo", "missing", "jobs.no_such_module:load")
    register(ground.stack, "sleeper", "short", "sleeper", base_s=0.2, max_waiting=1)
    ground.manage("webhook_secret", "stack")


def _load(ground: Bed, callback_url: str) -> None:
    until = time.monotonic() + SECONDS
    number = 0
    while time.monotonic() < until:
        number += 1
        for model, count in (("echo", 200), ("sleeper", 100)):
            ground.bulk(model, count, {"n": number})
        ground.bulk("minilm", 10, {"text": f"sentence {number}"})
        for job in _singles(number, callback_url):
            ground.http.post(JOBS, json=job)  # some are refused on purpose
        ground.http.post(JOBS, json={"model": "echo", "input": {}}, headers={"Prefer": "wait=5"})


def _singles(number: int, callback_url: str) -> Iterator[dict[str, Any]]:
    yield {"model": "echo", "input": {}, "callback_url": callback_url}
    yield {"model": "echo:cached", "input": {"n": number // 4}}
    yield {"model": "echo:faulty", "input": {"fail": "invalid"}}
    yield {"model": "echo:faulty", "input": {"fail": "retry", "until": time.time() + 1}}
    yield {"model": "nowhere", "input": {}}
    yield from [{"model": "sleeper:short", "input": {}}] * 4
    if number == 1:
        yield {"model": "echo:missing", "input": {}}


def _figures(prometheus: Prometheus) -> Iterator[Figure]:
    panels = [(board, panel) for board in DASHBOARDS for panel in board.panels]
    empty = [
        (board.title, panel.title)
        for board, panel in panels
        if not any(prometheus.ask(query.plain(WINDOW)) for query in panel.queries)
    ]
    yield at_least("panels with data", len(panels) - len(empty), len(panels) - len(NONE))
    for board, title in empty:
        yield Figure(f"   none: {board}, {title}", NONE.get(title, "not expected"))
    yield Figure("alerts that fired", ", ".join(sorted(prometheus.firing())) or "none")

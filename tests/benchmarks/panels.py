"""Whether each panel of the dashboards shows data, on a Prometheus that scraped a loaded stack.

All of `make up`'s processes, and jobs of every kind: single, bulk, waiting, failing, retried, refused,
shared, with webhooks, of a version whose circuit opens. PANELS_SECONDS says for how long. A panel counts if
one of its expressions gives a number.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import httpx

from inference_site.watching.write_dashboards import DASHBOARDS
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.scraped import Prometheus, scraping
from tests.support.app import manage, register
from tests.support.receiver import receiving

SECONDS = float(os.environ.get("PANELS_SECONDS", "60"))
WINDOW = "30s"
SHARE = "percentunit"
JOBS = "/api/v1/jobs"
# What has no data in a minute on a machine without a GPU, and why.
NONE = {
    "Device utilisation": "no device",
    "Device memory": "no device",
    "Power": "no device",
    "Temperature": "no device",
    "Evictions": "all versions fit into memory",
    "Versions that rest on one worker": "one worker: there is none to compare it with",
    "Retries that the budget postponed": "the budget was never used up",
    "Rows without their day": "retention runs at seven past the hour",
    "Payloads that cannot be read": "nobody tampered with any",
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
    register(ground.stack, "echo", "sick", "faulty", breaker={"dead": 5, "cool_s": 60}, retry={"attempts": 1})
    register(ground.stack, "sleeper", "short", "sleeper", base_s=0.2, max_waiting=1)
    ground.manage("webhook_secret", "stack")


def _greedy(ground: Bed) -> httpx.Client:
    """Return a client that may ask for little, and asks for more."""
    token = manage(ground.stack, "create_token", "greedy", env={"CLIENT_REQUESTS_PER_S": "1"}).strip()
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=ground.stack.info["api"], headers=headers, timeout=30, trust_env=False)


def _load(ground: Bed, callback_url: str) -> None:
    until, greedy, number = time.monotonic() + SECONDS, _greedy(ground), 0
    while time.monotonic() < until:
        number += 1
        for model, count in (("echo", 200), ("sleeper", 100)):
            ground.bulk(model, count, {"n": number})
        ground.bulk("minilm", 10, {"text": f"sentence {number}"})
        for job in _singles(number, callback_url):
            ground.http.post(JOBS, json=job)  # some are refused on purpose
            greedy.post(JOBS, json={"model": "echo", "input": {}})
        ground.http.post(JOBS, json={"model": "echo", "input": {}}, headers={"Prefer": "wait=5"})


def _singles(number: int, callback_url: str) -> Iterator[dict[str, Any]]:
    yield {"model": "echo", "input": {}, "callback_url": callback_url}
    yield {"model": "echo:cached", "input": {"n": number // 4}}
    yield {"model": "echo:faulty", "input": {"fail": "invalid"}}
    yield {"model": "echo:faulty", "input": {"fail": "retry", "until": time.time() + 1}}
    yield {"model": "nowhere", "input": {}}
    yield from [{"model": "sleeper:short", "input": {}}] * 4
    yield {"model": "echo:sick", "input": {"fail": "raise"}}
    if number == 1:
        yield {"model": "echo:missing", "input": {}}


def _figures(prometheus: Prometheus) -> Iterator[Figure]:
    panels = [(board, panel) for board in DASHBOARDS for panel in board.panels]
    values = {
        f"{board.title}, {panel.title}": [
            value for query in panel.queries for value in prometheus.values(query.plain(WINDOW))
        ]
        for board, panel in panels
    }
    empty = [title for title, numbers in values.items() if not numbers]
    yield at_least("panels with data", len(values) - len(empty), len(values) - len(NONE))
    for title in empty:
        yield Figure(f"   none: {title}", NONE.get(title.partition(", ")[2], "not expected"))
    shares = [
        value
        for board, panel in panels
        if panel.unit == SHARE
        for value in values[f"{board.title}, {panel.title}"]
    ]
    yield at_most("largest share", max(shares), 1.0)
    yield at_least(
        "smallest value that is no clock's",
        min(value for title, numbers in values.items() for value in numbers if "clock" not in title),
        0.0,
    )
    yield Figure("alerts that fire", ", ".join(sorted(prometheus.firing())) or "none")

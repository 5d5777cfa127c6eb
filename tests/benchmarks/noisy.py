"""One client at 50 a second, alone, beside an ordinary client, and beside one that keeps 10,000 jobs waiting.

All share one priority of one model: `paced`, where the device is the bottleneck, and `sleeper`, which is so
quick that the noisy client uses all of two cores. The ordinary client keeps the device busy for some 80 % of
the time, and posts every tenth of a second. A job's time runs from when its POST was due to the commit of its
result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import httpx
import psycopg

from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most
from tests.benchmarks.overload import PACE, register
from tests.benchmarks.poisson import offer, stored_moments
from tests.support.wait import wait_until

PER_S, SECONDS, WARM_S = 50, 23, 3
ORDINARY_PER_S = {"paced": 90, "sleeper": 3_500}
EVERY_S = 0.1
BACKLOG = BULK = 10_000
WAITING = "SELECT count(*) FROM jobs_outbox"
ROWS = """
SELECT j.id::text, 'batch:' || batch_id FROM jobs_job j JOIN jobs_client c ON c.id = j.client_id
WHERE c.name = 'quiet'
"""


def measure() -> Iterator[Figure]:
    for model in ORDINARY_PER_S:
        yield from _measured(model)


def _measured(model: str) -> Iterator[Figure]:
    with bed("noisy", ("web", "relay")) as ground:
        register(ground, "paced", PACE)
        quiet, other = (ground.manage("create_token", name, "--no-quotas") for name in ("quiet", "other"))
        with ground.worker(model):
            alone = _offered(ground, model, quiet)
            with _ordinary(ground, model, other):
                beside = _offered(ground, model, quiet)
            with _noisy(ground, model, other):
                storm = _offered(ground, model, quiet)
                waiting = ground.one(WAITING)
    for name, waits in (
        ("alone", alone),
        ("beside an ordinary client", beside),
        ("beside a noisy one", storm),
    ):
        parts = (f"p{share * 100:.0f} {percentile(waits, share) * 1e3:.1f}" for share in (0.5, 0.95, 0.99))
        yield Figure(f"{model} {name}", ", ".join(parts) + " ms")
    yield Figure(f"{model}, jobs of the noisy client that wait", f"{waiting:,}")
    yield at_most(f"{model}, p99, noisy over alone", percentile(storm, 0.99) / percentile(alone, 0.99), 1.2)
    yield at_most(
        f"{model}, p99, noisy over ordinary", percentile(storm, 0.99) / percentile(beside, 0.99), 1.2
    )


def _offered(ground: Bed, model: str, token: str) -> list[float]:
    with stored_moments(ground.stack) as stored:
        answers: dict[str, Any] = offer(ground, model, PER_S, SECONDS, token=token)
        ids = [job for job, *_ in answers["sent"]]
        live = f"SELECT count(*) FROM jobs_job WHERE id = ANY('{{{','.join(ids)}}}') AND state <> 'succeeded'"
        ground.until(live, 0)
    batches: dict[str, str] = dict(ground.database.execute(ROWS).fetchall())
    first = min(due for _, due, _, _ in answers["sent"]) + WARM_S
    return [stored[batches[job]] - due for job, due, _, _ in answers["sent"] if due >= first]


@contextmanager
def _ordinary(ground: Bed, model: str, token: str) -> Iterator[None]:
    """Let another client post at its usual rate."""
    with _beside(_regular, ground.stack.info, model, token):
        yield


@contextmanager
def _noisy(ground: Bed, model: str, token: str) -> Iterator[None]:
    """Let another client keep a backlog."""
    with _beside(_flood, ground.stack.info, model, token):
        wait_until(lambda: ground.one(WAITING) >= BACKLOG / 2, limit_s=300, every_s=0.1, what="a backlog")
        yield


@contextmanager
def _beside(client: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run another client in a thread for as long as the block lasts."""
    stop = Event()
    beside = Thread(target=client, args=(*arguments, stop))
    beside.start()
    try:
        yield
    finally:
        stop.set()
        beside.join()


def _regular(info: dict[str, Any], model: str, token: str, stop: Event) -> None:
    jobs = [{"model": model, "input": {}}] * int(ORDINARY_PER_S[model] * EVERY_S)
    with _client(info, token) as http:
        due = time.monotonic()
        while not stop.wait(max(due - time.monotonic(), 0.0)):
            http.post("/api/v1/jobs/bulk", json=jobs).raise_for_status()
            due += EVERY_S


def _flood(info: dict[str, Any], model: str, token: str, stop: Event) -> None:
    jobs = [{"model": model, "input": {}}] * BULK
    with psycopg.connect(info["database"], autocommit=True) as database, _client(info, token) as http:
        while not stop.wait(0.2):
            row = database.execute(WAITING).fetchone()
            if row is not None and row[0] < BACKLOG:
                http.post("/api/v1/jobs/bulk", json=jobs).raise_for_status()


def _client(info: dict[str, Any], token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=info["api"], headers=headers, timeout=60, trust_env=False)

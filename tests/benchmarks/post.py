"""Single POSTs: how soon one is published, and how many are accepted a second with nothing else running."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median
from threading import Event, Thread

import kombu

from inference_site.stack.services import PROJECT
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.support.wait import wait_until

POSTS = 300
GAP_S = 0.02
CONNECTIONS, SECONDS = 16, 8
JOB = {"model": "echo", "input": {"text": "a short sentence"}}


def measure() -> Iterator[Figure]:
    with bed("post", ("web", "relay")) as ground:
        waits_s = published_after_s(ground)
        yield at_most("p50, request to published and delivered", median(waits_s) * 1e3, 10, "ms")
        yield Figure("p95 of the same", f"{sorted(waits_s)[int(0.95 * len(waits_s))] * 1e3:.1f} ms")
    with bed("post", ("web",)) as ground:
        accepted, half_ms = flood(ground)
        yield at_least(f"accepted, {CONNECTIONS} connections", accepted, 2_500, "jobs/s")
        yield Figure("p50 of those answers", f"{half_ms:.1f} ms")
        _, alone_ms = flood(ground, connections=1)
        yield at_most("p50 of the answers to one connection", alone_ms, 3, "ms")


def published_after_s(ground: Bed) -> list[float]:
    """Post one job at a time and note when its message reaches a consumer of the queue."""
    arrived, stop = dict[str, float](), Event()
    listener = Thread(target=_listen, args=(ground.stack.info["broker"], arrived, stop))
    listener.start()
    try:
        sent = dict(_posted(ground))
        wait_until(lambda: sent.keys() <= arrived.keys(), limit_s=20, every_s=0.05, what="every message")
    finally:
        stop.set()
        listener.join()
    return [arrived[job] - at for job, at in sent.items()]


def _posted(ground: Bed) -> Iterator[tuple[str, float]]:
    """Post POSTS jobs, GAP_S after each; yield the ids, and when each was about to be posted."""
    for _ in range(POSTS):
        at = time.perf_counter()
        yield ground.http.post("/api/v1/jobs", json=JOB).json()["id"], at
        time.sleep(GAP_S)


def _listen(url: str, arrived: dict[str, float], stop: Event) -> None:
    with kombu.Connection(url) as connection, connection.channel() as channel:

        def note(message: kombu.Message) -> None:
            arrived[str(message.properties["correlation_id"])] = time.perf_counter()

        channel.basic_consume("infer.echo", no_ack=True, callback=note)
        while not stop.is_set():
            try:
                connection.drain_events(timeout=0.2)
            except TimeoutError:
                continue


def flood(
    ground: Bed, model: str = "echo", status: int = 202, connections: int = CONNECTIONS
) -> tuple[float, float]:
    """Return answers a second and the median answer in milliseconds, measured by another process."""
    info = ground.stack.info
    words = [sys.executable, "-m", "tests.benchmarks.flood", info["api"], info["token"]]
    words += [str(connections), str(SECONDS), model, str(status)]
    done = subprocess.run(words, cwd=PROJECT, check=True, capture_output=True, text=True)
    rate, half_ms = map(float, done.stdout.split())
    return rate, half_ms

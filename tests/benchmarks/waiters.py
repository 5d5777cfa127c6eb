"""A thousand clients that wait at once on one stream process: its memory, and the cost to ingest."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import psutil

from inference_site.stack.services import PROJECT
from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.post import flood
from tests.support.wait import wait_until

CLIENTS, ROUNDS, IDLE_S = 1_000, 3, 5.0
MIB = 2**20
LIVE = "SELECT count(*) FROM jobs_job WHERE queue = 'sleeper' AND state <> 'succeeded'"
IDS = "SELECT array_agg(id::text) FROM jobs_job WHERE queue = 'sleeper' AND state = 'queued'"


def measure() -> Iterator[Figure]:
    with bed("waiters", ("web", "stream", "relay"), env={"RESULT_WAIT_LIMIT_S": "600"}) as ground:
        _round(ground, 10, lambda: None)  # so that imports and first connections are in every sample
        idle = _cores(ground)
        without, beside, memory, waits = list[float](), list[float](), [_memory_mib(ground)], list[float]()
        cores = list[float]()
        for _ in range(ROUNDS):
            without.append(flood(ground)[0])
            waits += _round(ground, CLIENTS, lambda: _note(ground, beside, cores))
            memory.append(_memory_mib(ground))
    yield at_least("clients that waited at once and had their answers", len(waits) / ROUNDS, CLIENTS)
    yield at_least("ingest beside them over ingest alone", median(beside) / median(without), 0.9)
    yield Figure("cores that their waiting takes, of all processes", f"{median(cores) - idle:.3f}")
    yield Figure("ingest alone; beside them", f"{_rates(without)}; {_rates(beside)} jobs/s")
    yield at_most("memory after the last round over after the first", memory[-1] / memory[1], 1.05)
    yield Figure("memory before, after each round", ", ".join(f"{mib:.1f}" for mib in memory) + " MiB")
    yield Figure("p95, stored to answered, all ending at once", f"{percentile(waits, 0.95) * 1e3:.1f} ms")


def _rates(rates: list[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)


def _note(ground: Bed, rates: list[float], cores: list[float]) -> None:
    cores.append(_cores(ground))
    rates.append(flood(ground)[0])


def _cores(ground: Bed) -> float:
    """Return the cores that the stack uses without requests."""
    before_s, at = ground.cpu_s(), time.monotonic()
    time.sleep(IDLE_S)
    return (ground.cpu_s() - before_s) / (time.monotonic() - at)


def _round(ground: Bed, clients: int, meanwhile: Callable[[], None]) -> list[float]:
    """Let that many clients wait, call `meanwhile`, let their jobs end; return the waits."""
    ground.bulk("sleeper", clients, {})
    with _waiting(ground, ground.one(IDS)) as process:
        wait_until(lambda: _waiters(ground) == clients, every_s=0.2, what="all clients")
        meanwhile()
        with ground.worker("sleeper"):
            ground.until(LIVE, 0)
            output, _ = process.communicate(timeout=120)
    wait_until(lambda: _waiters(ground) == 0, every_s=0.2, what="the end of all waits")
    waits: list[float] = json.loads(output)
    return waits


@contextmanager
def _waiting(ground: Bed, jobs: list[str]) -> Iterator[subprocess.Popen[str]]:
    info = ground.stack.info
    words = [sys.executable, "-m", "tests.benchmarks.waiters_client", info["stream"], info["token"]]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, cwd=PROJECT, stdin=pipe, stdout=pipe, text=True)
    try:
        assert process.stdin is not None
        process.stdin.write(" ".join(jobs))
        process.stdin.close()
        process.stdin = None
        yield process
    finally:
        process.kill()
        process.wait()


def _waiters(ground: Bed) -> float:
    """Return how many waiting clients the stream process reports."""
    lines = ground.http.get(ground.stack.info["metrics"]).text.splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith("inference_stream_waiting{")
    )


def _memory_mib(ground: Bed) -> float:
    """Return the resident memory of the stream process, and of the server's own beside it."""
    server = psutil.Process(ground.stack.info["pids"]["stream"])
    return sum(process.memory_info().rss for process in [server, *server.children(recursive=True)]) / MIB

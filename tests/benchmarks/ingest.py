"""Ingest: jobs a second that one client stores by bulk calls, and single POSTs at a rate without strain."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from inference_site.stack.services import PROJECT
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.post import CONNECTIONS, flood

CALLS, JOBS = 10, 10_000
GOAL_PER_S, SECONDS, SEED = 900.0, 20, 7
STORED = "SELECT count(*) FROM jobs_outbox"


def measure() -> Iterator[Figure]:
    with bed("ingest", ("web",)) as ground:
        lines = b"\n".join(_line(index) for index in range(JOBS))
        _bulk_s(ground, lines)  # makes connections, caches and plans
        took_s = [_bulk_s(ground, lines) for _ in range(CALLS)]
        assert ground.one(STORED) == (CALLS + 1) * JOBS
        yield at_least(f"bulk, one client, {JOBS:,} a call", CALLS * JOBS / sum(took_s), 5_000, "jobs/s")
        yield Figure("slowest, quickest call", f"{JOBS / max(took_s):,.0f}, {JOBS / min(took_s):,.0f} jobs/s")
    with bed("ingest", ("web",)) as ground:
        accepted, _ = flood(ground)
        yield at_least(f"single POSTs, {CONNECTIONS} connections", accepted, GOAL_PER_S, "jobs/s")
        waits_ms = _at_half_rate(ground)
        yield at_most(
            f"p99 of single POSTs, {GOAL_PER_S / 2:g}/s", waits_ms[int(0.99 * len(waits_ms))], 50, "ms"
        )
        yield Figure("p50 of the same", f"{median(waits_ms):.1f} ms")


def _line(index: int) -> bytes:
    return json.dumps({"model": "echo", "input": {"text": f"sentence number {index}"}}).encode()


def _bulk_s(ground: Bed, lines: bytes) -> float:
    began = time.perf_counter()
    kind = {"Content-Type": "application/x-ndjson"}
    answer = ground.http.post("/api/v1/jobs/bulk", content=lines, headers=kind).raise_for_status().json()
    took_s = time.perf_counter() - began
    assert answer["accepted"] == JOBS, answer["jobs"][:2]
    return took_s


def _at_half_rate(ground: Bed) -> list[float]:
    """Return, sorted, the milliseconds from the moment each POST was due to its answer."""
    info = ground.stack.info
    words = [sys.executable, "-m", "tests.benchmarks.poisson_client", info["api"], info["token"], "echo"]
    words += [str(GOAL_PER_S / 2), str(SECONDS), str(SEED)]
    output = subprocess.run(words, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return sorted((answered - due) * 1e3 for _, due, _, answered in json.loads(output)["sent"])

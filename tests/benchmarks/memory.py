"""The worker's memory over 200,000 jobs: it must not grow after the first ones."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.bed import bed
from tests.benchmarks.figure import Figure

ROUNDS, JOBS = 10, 20_000
OUTBOX = "SELECT count(*) FROM jobs_outbox"
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
MEBIBYTE = 2**20
FLAT = 1.05


def measure() -> Iterator[Figure]:
    with bed("memory", ("web", "relay")) as ground, ground.worker("echo") as worker:
        points = []
        for _ in range(ROUNDS):
            ground.bulk("echo", JOBS, {"text": "a short sentence"})
            ground.until(OUTBOX, 0)
            points.append(worker.memory_info().rss / MEBIBYTE)
        ground.until(LIVE, 0)
    trail = ", ".join(f"{point:.0f}" for point in points)
    yield Figure(f"RSS after every {JOBS:,} jobs", f"{trail} MiB")
    grown = points[-1] / points[1]
    yield Figure("last over second", f"{grown:.3f}", f"≤ {FLAT}", grown <= FLAT)

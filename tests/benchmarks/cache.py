"""Identical requests: the latency of a cached answer, and the time until all followers of a run have it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most
from tests.benchmarks.post import CONNECTIONS, flood
from tests.support.app import register

HITS, FOLLOWERS = 1_000, 10_000
MODEL = "echo:cached"
SAME = {"text": "a short sentence"}
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
LATEST_S = "SELECT extract(epoch FROM max(finished_at) - min(finished_at))::float8 FROM jobs_job"
RAN = "SELECT sum(size) FROM jobs_batch"


def measure() -> Iterator[Figure]:
    with bed("cache", ("web", "relay")) as ground:
        register(ground.stack, "echo", "cached", "echo", cache_ttl_s=3600)
        ground.bulk(MODEL, FOLLOWERS, SAME)
        with ground.worker("echo"):
            ground.until(LIVE, 0)
        yield Figure(f"runs of {FOLLOWERS:,} identical jobs", str(ground.one(RAN)), "1", ground.one(RAN) == 1)
        yield Figure("from the first result to the last", f"{ground.one(LATEST_S):.2f} s")
        # In turns, so that both bear the same load of the machine.
        pairs = [(_answer_s(ground, "use", 200), _answer_s(ground, "bypass", 202)) for _ in range(HITS)]
        hits_s, others_s = (sorted(times) for times in zip(*pairs, strict=True))
        yield at_most(f"p50 of {HITS:,} hits, one at a time", median(hits_s) * 1e3, 5, "ms")
        yield Figure("p99 of the same", f"{hits_s[int(0.99 * HITS)] * 1e3:.1f} ms")
        yield Figure("p50 of jobs that were only accepted", f"{median(others_s) * 1e3:.1f} ms")
        rate, half_ms = flood(ground, MODEL, 200)
        yield Figure(f"hits, {CONNECTIONS} connections", f"{rate:,.0f}/s, p50 {half_ms:.1f} ms")


def _answer_s(ground: Bed, cache: str, status: int) -> float:
    began = time.perf_counter()
    answer = ground.http.post("/api/v1/jobs", json={"model": MODEL, "input": SAME, "cache": cache})
    took_s = time.perf_counter() - began
    assert answer.status_code == status, answer.text
    return took_s

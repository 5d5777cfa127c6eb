"""Identical requests: how soon a cached answer comes, and how soon all followers of one run have theirs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from inference_site.stack.services import PROJECT
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most
from tests.benchmarks.post import CONNECTIONS, flood

HITS, FOLLOWERS = 1_000, 10_000
MODEL = "echo:cached"
SAME = {"text": "a short sentence"}
LEFT = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
LATEST_S = "SELECT extract(epoch FROM max(finished_at) - min(finished_at))::float8 FROM jobs_job"
RAN = "SELECT sum(size) FROM jobs_batch"


def measure() -> Iterator[Figure]:
    with bed("cache", ("web", "relay")) as ground:
        _register(ground)
        ground.bulk(MODEL, FOLLOWERS, SAME)
        with ground.worker("echo"):
            ground.until(LEFT, 0)
        yield Figure(f"runs of {FOLLOWERS:,} identical jobs", str(ground.one(RAN)), "1", ground.one(RAN) == 1)
        yield Figure("from the first result to the last", f"{ground.one(LATEST_S):.2f} s")
        waits_s = sorted(_hit_s(ground) for _ in range(HITS))
        yield at_most(f"p50 of {HITS:,} hits, one at a time", median(waits_s) * 1e3, 5, "ms")
        yield Figure("p99 of the same", f"{waits_s[int(0.99 * HITS)] * 1e3:.1f} ms")
        rate, half_ms = flood(ground, MODEL, 200)
        yield Figure(f"hits, {CONNECTIONS} connections", f"{rate:,.0f}/s, p50 {half_ms:.1f} ms")


def _register(ground: Bed) -> None:
    words = ["register_model", "echo", "cached", "--loader", "entry_point"]
    words += ["--artifact", "models_registry.loaders.builtin:echo", "--options", '{"cache_ttl_s": 3600}']
    argv = [sys.executable, "manage.py", *words]
    subprocess.run(argv, env=ground._env(), cwd=PROJECT, check=True, capture_output=True)


def _hit_s(ground: Bed) -> float:
    began = time.perf_counter()
    answer = ground.http.post("/api/v1/jobs", json={"model": MODEL, "input": SAME})
    took_s = time.perf_counter() - began
    assert answer.status_code == 200, answer.text
    assert answer.json()["cached_from"]
    return took_s

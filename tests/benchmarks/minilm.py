"""MiniLM end to end by bulk REST, over the same sentences run directly: the demo's figure, twice.

Once with all cores on both sides, and once with one thread for the model on both sides, as in the direct
figures behind the goal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from inference_site.stack.services import PROJECT
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least

SENTENCES = 1_500
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
GOAL = 1.2


def measure() -> Iterator[Figure]:
    with bed("minilm", ("web", "stream", "relay", "gpu-worker-0")) as ground:
        yield from _figures("all cores", _demo(ground, {}))
    with bed("minilm-one", ("web", "stream", "relay")) as ground, ground.worker("minilm", env=ONE_THREAD):
        yield from _figures("one thread", _demo(ground, ONE_THREAD))


def _demo(ground: Bed, env: dict[str, str]) -> dict[str, float]:
    count = ("--sentences", str(SENTENCES), "--sample", str(SENTENCES))
    stack = {"STACK_JSON": str(ground.stack.run_dir / "stack.json")}
    subprocess.run(
        [sys.executable, "manage.py", "demo", *count],
        env={**os.environ, **stack, **env},
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    figures: dict[str, float] = json.loads((PROJECT / ".run" / "demo.json").read_text())
    return figures


def _figures(where: str, figures: dict[str, float]) -> Iterator[Figure]:
    yield at_least(f"{where}: end to end over direct", figures["share_of_direct"], GOAL)
    yield Figure(f"{where}: end to end", f"{figures['throughput_per_s']} sentences/s")
    yield Figure(f"{where}: mean batch", str(figures["mean_batch"]))
    yield Figure(f"{where}: latency p50, p95", f"{figures['latency_p50_s']} s, {figures['latency_p95_s']} s")

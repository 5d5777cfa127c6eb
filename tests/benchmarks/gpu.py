"""On a GPU: which one it is, whether a lost context is noticed, and MiniLM over a bare torch loop.

Where no GPU answers, that is the only figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from inference_site.stack.services import PROJECT
from jobs.management.pinned_device import ask_fresh
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least

SENTENCES, SAMPLE = 6_000, 64
GOAL = 0.95  # of the bare loop's sentences a second
LIMIT_S = 300
WORKER = "SELECT device || ' ' || device_uuid FROM jobs_worker WHERE ended_at IS NULL"


def measure() -> Iterator[Figure]:
    status, words = ask_fresh()
    if status:
        yield Figure("on a GPU", f"did not run: {words}")
        return
    yield Figure("the GPU", words)
    loss = _fresh("lose")
    yield Figure("a failed assert on it", json.dumps(loss), "lost", loss["lost"])
    bare = _fresh("bare", str(SENTENCES))
    yield Figure("bare torch loop", f"{bare['per_s']:,.0f} sentences/s in batches of {bare['batch']}")
    with bed("gpu", ("web", "stream", "relay", "gpu-worker-0")) as ground:
        shown = str(ground.one(WORKER))
        yield Figure("the worker's row", shown, words, shown == f"cuda:0 {words}")
        rate = _demo(ground)
    yield Figure("MiniLM end to end", f"{rate:,.0f} sentences/s")
    yield at_least("the same over the bare loop", rate / bare["per_s"], GOAL)


def _fresh(*words: str) -> dict[str, Any]:
    """Run a function of `gpu_work` in a fresh process, which has a context of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.gpu_work", *words]
    done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, timeout=LIMIT_S)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _demo(ground: Bed) -> float:
    words = ("demo", "--sentences", str(SENTENCES), "--sample", str(SAMPLE))
    stack = {"STACK_JSON": str(ground.stack.run_dir / "stack.json")}
    command = [sys.executable, "manage.py", *words]
    subprocess.run(
        command, env=os.environ | stack, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT_S
    )
    return float(json.loads((PROJECT / ".run" / "demo.json").read_text())["throughput_per_s"])

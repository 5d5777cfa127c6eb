"""MiniLM end to end by bulk REST, over the same sentences run directly: the demo's measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from inference_site.stack.services import PROJECT
from tests.benchmarks.bed import bed
from tests.benchmarks.figure import Figure, at_least

SENTENCES = 1_500


def measure() -> Iterator[Figure]:
    with bed("minilm", ("web", "stream", "relay", "gpu-worker-0")) as ground:
        words = [
            sys.executable,
            "manage.py",
            "demo",
            "--sentences",
            str(SENTENCES),
            "--sample",
            str(SENTENCES),
        ]
        env = {**os.environ, "STACK_JSON": str(ground.stack.run_dir / "stack.json")}
        subprocess.run(words, env=env, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    told = json.loads((PROJECT / ".run" / "demo.json").read_text())
    yield at_least("end to end over direct", told["share_of_direct"], 1.6)
    yield Figure("end to end", f"{told['throughput_per_s']} sentences/s")
    yield Figure("mean batch", str(told["mean_batch"]))
    yield Figure("latency p50, p95", f"{told['latency_p50_s']} s, {told['latency_p95_s']} s")

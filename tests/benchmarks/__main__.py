"""`python -m tests.benchmarks [name…]`: each figure beside its goal; none of them fails it."""

from __future__ import annotations

import os
import sys

from rich.console import Console

from tests.benchmarks import (
    abuse,
    bulk,
    cache,
    cascade,
    dashboard,
    device,
    drain,
    drift,
    feed,
    foretold,
    gpu,
    horizon,
    ingest,
    lanes,
    live_rollouts,
    loadtest,
    memory,
    minilm,
    mixed,
    noisy,
    overload,
    panels,
    planner,
    poisson,
    policy,
    post,
    quiet,
    rollouts,
    routed,
    scaling,
    shadow,
    told,
    tracing,
    tuner,
    waiters,
)
from tests.benchmarks.contract import fuzz
from tests.benchmarks.figure import Benchmark, show
from tests.benchmarks.rivals import compare
from tests.benchmarks.typescript import generate

BENCHMARKS: dict[str, Benchmark] = {
    "drain": drain.measure,
    "bulk": bulk.measure,
    "minilm": minilm.measure,
    "gpu": gpu.measure,
    "post": post.measure,
    "ingest": ingest.measure,
    "cache": cache.measure,
    "cascade": cascade.measure,
    "memory": memory.measure,
    "policy": policy.measure,
    "feed": feed.measure,
    "horizon": horizon.measure,
    "mixed": mixed.measure,
    "device": device.measure,
    "poisson": poisson.measure,
    "quiet": quiet.measure,
    "overload": overload.measure,
    "noisy": noisy.measure,
    "lanes": lanes.measure,
    "told": told.measure,
    "tracing": tracing.measure,
    "tuner": tuner.measure,
    "waiters": waiters.measure,
    "scaling": scaling.measure,
    "rivals": compare.measure,
    "contract": fuzz.measure,
    "typescript": generate.measure,
    "abuse": abuse.measure,
    "panels": panels.measure,
    "planner": planner.measure,
    "loadtest": loadtest.measure,
    "dashboard": dashboard.measure,
    "rollouts": rollouts.measure,
    "live-rollouts": live_rollouts.measure,
    "routed": routed.measure,
    "drift": drift.measure,
    "shadow": shadow.measure,
    "simulator": foretold.measure,
}


def main(names: list[str]) -> int:
    if unknown := set(names) - set(BENCHMARKS):
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 2
    # Each benchmark runs a stack of its own, on servers of its own.
    for name in ("DATABASE_URL", "BROKER_URL", "RABBITMQ_MANAGEMENT_URL", "STACK_JSON"):
        os.environ.pop(name, None)
    console = Console(width=110)
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before the start")
    for name in names or list(BENCHMARKS):
        show(console, name, list(BENCHMARKS[name]()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Batching and admission of a model of 40 ms and 0.5 ms an item, in virtual time and with real threads.

Measured from the worker's buffer to the outcome. The source is in memory, so nothing is claimed or stored.
Admission is the product's own in both cases, with its counts of the queue twice a second.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

from inference_site.stack.services import PROJECT
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation.arrivals import poisson
from jobs.core.simulation.plan import Crew, Model, SimulationPlan, Timing
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.world import simulate
from tests.benchmarks.figure import Figure, at_least, at_most

BASE_S, PER_ITEM_S, MAX_BATCH = 0.04, 0.0005, 32
UNTUNED = BatchLimits(MAX_BATCH, p95_goal_s=2.0)  # the default goal of a version
GOAL_S = 0.5
SEEDS, VIRTUAL_S, REAL_S = range(8), 60.0, 40.0
PREFETCH = 256


def measure() -> Iterator[Figure]:
    started = time.perf_counter()
    yield from _virtual()
    yield from _real("400", 400.0, 0.0)
    yield from _real("700", 700.0, GOAL_S)
    yield Figure("all of this took", f"{time.perf_counter() - started:.0f} s")


def _virtual() -> Iterator[Figure]:
    where = f"virtual time, worst of {len(SEEDS)} seeds of {VIRTUAL_S:.0f} s"
    started = time.perf_counter()
    calm = [_simulated(400.0, UNTUNED, seed) for seed in SEEDS]
    faster = len(SEEDS) * VIRTUAL_S / (time.perf_counter() - started)
    shares = [report.throughput_per_s / report.offered_per_s for report in calm]
    yield at_least(f"400/s: served of offered, {where}", min(shares), 0.99)
    yield at_most(f"400/s: p99, {where}", max(_p99_ms(calm)), 107, "ms")
    yield Figure("400/s: p99, virtual time, median seed", f"{median(_p99_ms(calm)):.1f} ms")
    limits = BatchLimits(MAX_BATCH, p95_goal_s=GOAL_S)
    crowded = [_simulated(700.0, limits, seed, sheds=True) for seed in SEEDS]
    yield at_least(f"700/s: served, {where}", min(r.throughput_per_s for r in crowded), 560, "/s")
    yield at_most(f"700/s: p99, {where}", max(_p99_ms(crowded)), 297, "ms")
    yield Figure("700/s: p99, virtual time, median seed", f"{median(_p99_ms(crowded)):.1f} ms")
    refused = sum(report.refused for report in crowded) / sum(report.offered for report in crowded)
    yield Figure("700/s: refused at admission, virtual time", f"{refused:.1%}")
    yield Figure("virtual over real time, 400/s", f"{faster:,.0f} times as fast")


def _simulated(rate_per_s: float, limits: BatchLimits, seed: int, *, sheds: bool = False) -> SimulationReport:
    chance = random.Random(seed).random
    model = Model(Timing(BASE_S, PER_ITEM_S), limits)
    plan = SimulationPlan({0: model}, Crew(prefetch=PREFETCH), sheds=sheds)
    return simulate(plan, poisson(rate_per_s, chance, until_s=VIRTUAL_S), chance)


def _p99_ms(reports: Sequence[SimulationReport]) -> list[float]:
    return [report.latency_s(0.99) * 1e3 for report in reports]


def _real(name: str, rate_per_s: float, goal_s: float) -> Iterator[Figure]:
    words = [sys.executable, "-m", "tests.benchmarks.threads", str(rate_per_s), str(goal_s), str(REAL_S)]
    result = json.loads(subprocess.run(words, cwd=PROJECT, check=True, stdout=subprocess.PIPE).stdout)
    where = f"real threads, {REAL_S:.0f} s"
    if goal_s:
        yield at_least(f"{name}/s: served, {where}", result["served"] / result["span_s"], 560, "/s")
        refused = result["refused"] / result["offered"]
        yield Figure(f"{name}/s: refused at admission, {where}", f"{refused:.1%}")
    else:
        share = result["served"] / result["span_s"] / (result["offered"] / REAL_S)
        yield at_least(f"{name}/s: served of offered, {where}", share, 0.99)
    yield at_most(f"{name}/s: p99, {where}", result["p99_s"] * 1e3, 297 if goal_s else 107, "ms")
    p50_ms, batch = result["p50_s"] * 1e3, result["batch"]
    yield Figure(f"{name}/s: p50, mean batch, {where}", f"{p50_ms:.1f} ms, {batch:.1f}")
    yield Figure(f"{name}/s: put into the buffer late, p99, {where}", f"{result['late_s'] * 1e3:.1f} ms")

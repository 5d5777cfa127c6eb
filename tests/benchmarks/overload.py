"""A model that is offered twice what its worker can do, for a minute, after ten seconds of half of that.

What it can do is measured first, in the same run: the same jobs as a backlog of a model that refuses none.
A job's time runs from when its POST was due to the commit of its result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from jobs.management.demo.figures import percentile
from tests.benchmarks.backlog import drained, same
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.poisson import LEFT, offer, stored_moments

GOAL_S, MAX_BATCH = 2.0, 16
PACE = {"base_s": 0.05, "per_item_s": 0.0025}
BACKLOG, CALM_S, STORM_S, SETTLING_S = 2_000, 10, 60, 3
ROWS = "SELECT id::text, 'batch:' || batch_id FROM jobs_job WHERE queue = 'bounded'"


def measure() -> Iterator[Figure]:
    with bed("overload", ("web", "relay")) as ground:
        register(ground, "unbounded", PACE)
        register(ground, "bounded", PACE | {"shed": True})
        capacity = drained(ground, same("unbounded", BACKLOG), "unbounded", published=False).per_s
        with ground.worker("bounded"), stored_moments(ground.stack.info["database"]) as stored:
            offer(ground, "bounded", capacity / 2, CALM_S)
            told = offer(ground, "bounded", capacity * 2, STORM_S)
            ground.until(LEFT, 0)
        batches: dict[str, str] = dict(ground.database.execute(ROWS).fetchall())
    ended = {job: stored[batches[job]] for job, *_ in told["sent"]}
    yield Figure("capacity, as a backlog", f"{capacity:,.0f} jobs/s")
    yield Figure("offered", f"{(len(told['sent']) + len(told['refused'])) / STORM_S:,.0f} jobs/s")
    yield from _accepted(told, ended, capacity)
    yield from _refused([answered - left for _, _, left, answered in told["refused"]])
    yield from _estimates(told, ended)


def register(ground: Bed, name: str, options: dict[str, Any]) -> None:
    """Register a model that takes its time, `base_s` and `per_item_s`, as a device does."""
    words = ["--loader", "entry_point", "--artifact", "models_registry.loaders.builtin:sleeper"]
    words += ["--options", json.dumps(options), "--max-batch", str(MAX_BATCH), "--p95-goal-s", str(GOAL_S)]
    ground.manage("register_model", name, "1", *words, "--alias", "default")


def _accepted(told: dict[str, Any], ended: dict[str, float], capacity: float) -> Iterator[Figure]:
    waits = [ended[job] - due for job, due, _, _ in told["sent"]]
    yield at_most("p95 of the accepted, due to stored", percentile(waits, 0.95), GOAL_S, "s")
    yield Figure("p50 and p99 of the same", f"{median(waits):.2f} s, {percentile(waits, 0.99):.2f} s")
    first = min(due for _, due, _, _ in told["sent"])
    good = sum(
        ended[job] - due <= GOAL_S and first <= ended[job] <= first + STORM_S
        for job, due, _, _ in told["sent"]
    )
    yield at_least("answered within the goal, of capacity", good / STORM_S / capacity, 0.9)


def _refused(waits: Sequence[float]) -> Iterator[Figure]:
    yield at_most("p95 of the 429s", percentile(waits, 0.95) * 1e3, 20, "ms")
    yield Figure(
        "p50 and p99 of the same", f"{median(waits) * 1e3:.1f} ms, {percentile(waits, 0.99) * 1e3:.1f} ms"
    )


def _estimates(told: dict[str, Any], ended: dict[str, float]) -> Iterator[Figure]:
    """How far off `eta_s` was once the queue stood."""
    first = min(due for _, due, _, _ in told["sent"]) + SETTLING_S
    pairs = [
        (ended[job] - answered, told["eta_s"][job]) for job, due, _, answered in told["sent"] if due > first
    ]
    ratios = [took / eta for took, eta in pairs if eta]
    near = sum(0.5 <= ratio <= 2.0 for ratio in ratios) / len(ratios)
    yield Figure("time taken over the estimate, median", f"{median(ratios):.2f}")
    yield Figure("estimates within a factor of two", f"{near:.0%} of {len(ratios):,}")

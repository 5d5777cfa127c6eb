"""A model that is offered twice its worker's capacity for a minute, after half of it for ten seconds.

The capacity is measured first, in the same run: the same jobs as a backlog of a model that refuses none.
A job's time runs from when its POST was due to the commit of its result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from jobs.management.demo.figures import percentile
from tests.benchmarks.backlog import drained, same
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.poisson import LIVE, offer, stored_moments
from tests.support import app

GOAL_S, MAX_BATCH = 2.0, 16
PACE = {"base_s": 0.05, "per_item_s": 0.0025}
BACKLOG, CALM_S, STORM_S, SETTLING_S = 2_000, 10, 60, 3
ROWS = "SELECT id::text, 'batch:' || batch_id FROM jobs_job WHERE queue = 'bounded'"


def measure() -> Iterator[Figure]:
    with bed("overload", ("web", "relay")) as ground:
        register(ground, "unbounded", PACE)
        register(ground, "bounded", PACE | {"shed": True})
        capacity = drained(ground, same("unbounded", BACKLOG), "unbounded", published=False).per_s
        with ground.worker("bounded"), stored_moments(ground.stack) as stored:
            offer(ground, "bounded", capacity / 2, CALM_S)
            answers = offer(ground, "bounded", capacity * 2, STORM_S)
            ground.until(LIVE, 0)
        batches: dict[str, str] = dict(ground.database.execute(ROWS).fetchall())
    ended = {job: stored[batches[job]] for job, *_ in answers["sent"]}
    yield Figure("capacity, as a backlog", f"{capacity:,.0f} jobs/s")
    yield Figure("offered", f"{(len(answers['sent']) + len(answers['refused'])) / STORM_S:,.0f} jobs/s")
    yield from _accepted(answers, ended, capacity)
    yield from _refused([answered - sent for _, _, sent, answered in answers["refused"]])
    yield from _estimates(answers, ended)


def register(ground: Bed, name: str, options: dict[str, Any]) -> None:
    """Register a model as slow as `base_s` and `per_item_s` say."""
    words = ["--max-batch", str(MAX_BATCH), "--p95-goal-s", str(GOAL_S), "--alias", "default"]
    app.register(ground.stack, name, "1", "sleeper", *words, **options)


def _accepted(answers: dict[str, Any], ended: dict[str, float], capacity: float) -> Iterator[Figure]:
    waits = [ended[job] - due for job, due, _, _ in answers["sent"]]
    yield at_most("p95 of the accepted, due to stored", percentile(waits, 0.95), GOAL_S, "s")
    yield Figure("p50 and p99 of the same", f"{median(waits):.2f} s, {percentile(waits, 0.99):.2f} s")
    first = min(due for _, due, _, _ in answers["sent"])
    good = sum(
        ended[job] - due <= GOAL_S and first <= ended[job] <= first + STORM_S
        for job, due, _, _ in answers["sent"]
    )
    yield at_least("answered within the goal, of capacity", good / STORM_S / capacity, 0.9)


def _refused(waits: Sequence[float]) -> Iterator[Figure]:
    yield at_most("p95 of the 429s", percentile(waits, 0.95) * 1e3, 20, "ms")
    yield Figure(
        "p50 and p99 of the same", f"{median(waits) * 1e3:.1f} ms, {percentile(waits, 0.99) * 1e3:.1f} ms"
    )


def _estimates(answers: dict[str, Any], ended: dict[str, float]) -> Iterator[Figure]:
    """Compare `eta_s` with the time taken, once the queue was full."""
    first = min(due for _, due, _, _ in answers["sent"]) + SETTLING_S
    late = [(job, answered) for job, due, _, answered in answers["sent"] if due > first]
    pairs = [(ended[job] - answered, answers["eta_s"][job]) for job, answered in late]
    ratios = [took / eta for took, eta in pairs if eta]
    near = sum(0.5 <= ratio <= 2.0 for ratio in ratios) / len(ratios)
    yield Figure("time taken over the estimate, median", f"{median(ratios):.2f}")
    yield Figure("estimates within a factor of two", f"{near:.0%} of {len(ratios):,}")

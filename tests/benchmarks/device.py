"""How busy the device is kept under backlog: its time from the first batch to the last over the ideal.

Read from the batches' rows, which have how long a batch ran but not when that began: so the time is from the
first batch's claim until the last one's verdicts went to the database, the first claim and the last encoding
included. The ideal for `sleeper` is the sum of its sleeps as requested, without their overshoot; for MiniLM
it is the time that the batches ran, by lane.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from models_registry.loaders.builtin import BASE_S, PER_ITEM_S
from tests.benchmarks.backlog import DEPTH, Drained, drained, real, same
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most

JOBS, SENTENCES = 20_000, 1_500
LANES = min(4, len(os.sched_getaffinity(0)))  # the worker's default on a CPU
LEDGER = """
SELECT count(*), sum(size)::float8, sum(ran_s),
       extract(epoch FROM max(finished_at) - min(claimed_at))::float8
FROM jobs_batch WHERE claimed_at >= to_timestamp({since!r})
"""


def measure() -> Iterator[Figure]:
    with bed("device", ("web", "relay"), env=DEPTH) as ground:
        calls, items, ran_s, span_s = _ledger(ground, drained(ground, same("sleeper", JOBS), "sleeper"))
        ideal_s = calls * BASE_S + items * PER_ITEM_S
        yield at_most("sleeper, first batch to last over the ideal", span_s / ideal_s, 1.08)
        yield Figure("sleeper, its own sleep over the ideal", f"{ran_s / ideal_s:.3f}")
        yield Figure("sleeper, mean batch", f"{items / calls:.1f}")
        for lanes in sorted({1, LANES}):
            drain = drained(ground, real(SENTENCES), "minilm", lanes=lanes)
            _, _, ran_s, span_s = _ledger(ground, drain)
            what = f"MiniLM on {lanes} lane(s), first batch to last over the ideal"
            yield at_most(what, span_s * lanes / ran_s, 1.02)


def _ledger(ground: Bed, drain: Drained) -> tuple[float, float, float, float]:
    calls, items, ran_s, span_s = ground.one(LEDGER.format(since=drain.since))
    return calls, items, ran_s, span_s

"""A roll-out that goes back by itself under load, and one whose candidate has thousands of jobs waiting.

ROLLOUT_JOBS (20,000) jobs are posted through an alias whose candidate, at a share of 5 %, fails on 3 % of the
inputs. Then 20,000 more wait, half of them for a slow candidate that a person rolls back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from tests.benchmarks.bed import bed
from tests.benchmarks.figure import Figure, at_most
from tests.support.app import App
from tests.support.rollouts import FAST, Pair, Rolled, rolled
from tests.support.wait import wait_until

JOBS = int(os.environ.get("ROLLOUT_JOBS", "20000"))
AT_ONCE, BUDGET, LIMIT_S = 500, 400, 600.0
SLOW = {**FAST, "base_s": 0.2}
LAST_CLAIM = """
SELECT extract(epoch FROM max(batch.claimed_at) - rollout.ended_at)::float8 FROM jobs_batch batch
JOIN models_registry_rollout rollout ON rollout.candidate_id = batch.version_id WHERE rollout.id = %s
GROUP BY rollout.ended_at
"""
TOOK = "SELECT extract(epoch FROM ended_at - created_at)::float8 FROM models_registry_rollout WHERE id = %s"


def measure() -> Iterator[Figure]:
    with bed("rollouts", ("web", "stream", "relay")) as ground:
        app = App(ground.stack)
        with rolled(ground.stack, app, "worse", Pair({**FAST, "error_share": 0.03}), index=1) as model:
            yield from _goes_back(model)
        with rolled(ground.stack, app, "crowded", Pair(SLOW, SLOW), index=2) as model:
            yield from _taken_back(model)
        app.close()


def _goes_back(model: Rolled) -> Iterator[Figure]:
    rollout = model.start(steps=[5, 100], budget=BUDGET).id
    model.until(rollout, "running")
    ids = model.feed(lambda: False, most=JOBS, at_once=AT_ONCE)
    ended = model.app.all_finished(ids, timeout_s=LIMIT_S)
    over = model.now(rollout)
    yield Figure("3 points worse at 5 %", over.state, "rolled_back", over.state == "rolled_back")
    yield at_most("jobs met", over.met, BUDGET)
    yield Figure(
        "ended as succeeded", f"{ended.get('succeeded', 0):,}", f"{JOBS:,}", ended == {"succeeded": JOBS}
    )
    yield Figure("answered by the stable version instead", f"{model.rescued(ids):,}")
    if over.state == "rolled_back":
        yield Figure("from its start to the roll-back", f"{model.app.rows(TOOK, rollout)[0][0]:.1f} s")
        yield at_most("last claim after the roll-back", model.app.rows(LAST_CLAIM, rollout)[0][0], 4, "s")


def _taken_back(model: Rolled) -> Iterator[Figure]:
    rollout = model.start(steps=[50, 100], baseline=False, budget=10 * JOBS).id
    model.until(rollout, "running")
    ids = model.feed(lambda: False, most=JOBS, at_once=AT_ONCE)
    waits, began = model.waiting_for_candidate(), time.monotonic()
    model.operator.rollouts.roll_back(rollout, reason="a benchmark")
    wait_until(lambda: model.waiting_for_candidate() == 0, limit_s=LIMIT_S)
    took_s = time.monotonic() - began
    yield at_most(f"{waits:,} waiting jobs taken back, for 10,000", took_s / waits * 10_000, 10, "s")
    ended = model.app.all_finished(ids, timeout_s=LIMIT_S)
    yield Figure(
        "of these ended as succeeded",
        f"{ended.get('succeeded', 0):,}",
        f"{JOBS:,}",
        ended == {"succeeded": JOBS},
    )

"""Urgent jobs do not wait behind a backlog of others."""

import time
from collections.abc import Iterator

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App, register
from tests.support.own_worker import own_worker
from tests.support.wait import wait_until

MODEL, BATCH = "paced", 400
# So long that delivery, and storing four hundred results, take a small part of it on a busy machine too:
# with 0.4 s the bound broke when four suites shared two cores.
BATCH_S = 0.8
URGENT = 7
# Batches that ran between the job's post and its own batch, the first one in part; one runs at a time.
BETWEEN = """
SELECT count(*) FROM jobs_job j JOIN jobs_batch own ON own.id = j.batch_id
JOIN jobs_batch b ON b.version_id = own.version_id AND b.claimed_at < own.claimed_at
WHERE j.id = %s AND b.finished_at > j.created_at
"""


@pytest.fixture
def worker(stack: Stack) -> Iterator[None]:
    words = ("--max-batch", str(BATCH), "--alias", "default")
    register(stack, MODEL, "1", "sleeper", *words, base_s=BATCH_S, per_item_s=0)
    with own_worker(stack, MODEL, index=6):
        yield


def test_priority_9_posted_behind_ten_thousand_of_priority_0_starts_within_three_batch_times(
    worker: None, app: App
) -> None:
    low = app.bulk(MODEL, [{"n": n} for n in range(10_000)], priority=0)
    wait_until(lambda: app.states(low).get("succeeded", 0) > BATCH)
    urgent = [post_at_phase(app, n / URGENT) for n in range(URGENT)]
    assert app.all_finished(urgent) == {"succeeded": URGENT}
    assert app.states(low).get("queued", 0) > 5 * BATCH, "the backlog was gone before the urgent jobs were"
    counts = [app.rows(BETWEEN, job)[0][0] for job in urgent]
    assert max(counts) <= 3, counts
    assert app.all_finished(low, timeout_s=90) == {"succeeded": 10_000}


def post_at_phase(app: App, phase: float) -> str:
    """Post an urgent job at another moment of the running batch than the others."""
    time.sleep((1 + phase) * BATCH_S)
    return str(app.submit(MODEL, {"urgent": True}, priority=9)["id"])

"""Loads that make an autoscaler start and drain workers, and the count of these events."""

from __future__ import annotations

import re
import time

from inference_site.stack.harness import Stack
from tests.support.app import App, register
from tests.support.autoscaling import RunningAutoscaler
from tests.support.wait import wait_until

MODEL, BASE_S, MAX_BATCH = "scaled", 0.1, 4
BURST = 800  # some twenty seconds of one worker
TRICKLE_S = 0.1
_EVENT = re.compile(r"(?:starts|drains) gpu-worker-")


def register_scaled(stack: Stack) -> None:
    """Register the model that the cycles load."""
    words = ("--alias", "default", "--max-batch", str(MAX_BATCH))
    register(stack, MODEL, "1", "sleeper", *words, base_s=BASE_S)


def events(scaler: RunningAutoscaler) -> int:
    """Return how many workers were started or drained so far."""
    return len(_EVENT.findall(scaler.log))


def cycle(app: App, scaler: RunningAutoscaler) -> list[str]:
    """Load until a second worker runs, and on until it has been drained; return the ids of the jobs."""
    ids = app.bulk(MODEL, [{"n": n} for n in range(BURST)])
    wait_until(lambda: len(scaler.workers()) > 1, what="a second worker")
    app.all_finished(ids, timeout_s=180)
    drained = scaler.log.count("drains gpu-worker-")
    until = time.monotonic() + 60
    while scaler.log.count("drains gpu-worker-") == drained and time.monotonic() < until:
        ids.append(str(app.submit(MODEL, {"n": len(ids)})["id"]))
        time.sleep(TRICKLE_S)  # the pace of the load, during which a worker ends
    return ids

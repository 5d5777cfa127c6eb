"""Loads that make an autoscaler start and drain workers, and the count of these events."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from inference_site.stack.harness import Stack
from tests.support.app import App, register
from tests.support.autoscaling import FIRST_INDEX, RunningAutoscaler

MODEL, BASE_S, GOAL_S = "scaled", 1.0, 10.0  # a worker with one lane does a job a second
FLOOD_PER_S, EBB_PER_S = 1.15, 0.15  # for each place: more than all can do, and work for less than half
FEW = 0.4  # of the places: so few workers are to be left
STEP_S, LIMIT_S = 0.2, 300.0
SERVING = "SELECT count(*) FROM jobs_worker WHERE node LIKE ANY(%s) AND ended_at IS NULL"
_EVENT = re.compile(r"(?:starts|drains) gpu-worker-")
_START = re.compile(r"starts gpu-worker-")
_FAULT = re.compile(r"gpu-worker-\d+ (?:died|did not end|cannot be started)")


def register_scaled(stack: Stack) -> None:
    """Register the model that the cycles load."""
    words = ("--alias", "default", "--max-batch", "1", "--p95-goal-s", str(GOAL_S))
    register(stack, MODEL, "1", "sleeper", *words, base_s=BASE_S)


def events(scaler: RunningAutoscaler) -> int:
    """Return how many workers were started or drained so far."""
    return len(_EVENT.findall(scaler.log))


def starts(scaler: RunningAutoscaler) -> int:
    """Return how many workers were started so far."""
    return len(_START.findall(scaler.log))


def faults(scaler: RunningAutoscaler) -> int:
    """Return how many workers have died, were killed, or could not be started."""
    return len(_FAULT.findall(scaler.log))


def serving(app: App, places: int) -> int:
    """Return how many workers of the autoscaler's places serve."""
    nodes = [f"gpu-{FIRST_INDEX + place}@%" for place in range(places)]
    return int(app.rows(SERVING, nodes)[0][0])


def cycle(app: App, scaler: RunningAutoscaler, places: int) -> list[str]:
    """Send many jobs until all places serve, then few until most workers have ended; return the ids.

    Of two places both end, and so no jobs come meanwhile but those that wait.
    """
    few = int(FEW * places)
    ebb_per_s = EBB_PER_S if few else 0.0  # one of two workers may be as many as a few jobs need
    tides = (
        (FLOOD_PER_S, lambda: serving(app, places) == places),
        (ebb_per_s, lambda: serving(app, places) <= few),
    )
    ids = list[str]()
    for per_s, is_over in tides:
        sent = _send(app, per_s * places, is_over)
        assert sent is not None, f"{serving(app, places)} of {places} serve: {scaler.log[-3000:]}"
        ids += sent
    return ids


def _send(app: App, per_s: float, is_over: Callable[[], bool]) -> list[str] | None:
    """Send so many jobs a second until `is_over`; return their ids, None where it takes too long.

    The pace does not depend on how fast the calls are answered.
    """
    ids, began_s = list[str](), time.monotonic()
    while not is_over():
        took_s = time.monotonic() - began_s
        if took_s > LIMIT_S:
            return None
        if due := int(per_s * took_s) - len(ids):
            ids += app.bulk(MODEL, [{"n": n} for n in range(due)])
        time.sleep(STEP_S)
    return ids

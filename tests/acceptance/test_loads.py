"""A version loads for longer than a batch may take: the worker lives, and jobs of other versions go on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from inference_site.stack.harness import Stack
from tests.support.app import App, manage, register
from tests.support.gated_model import SLUGGISH
from tests.support.own_worker import log_of, own_worker
from tests.support.wait import wait_until

LIMITS: dict[str, Any] = {"MODEL_ENTRY_POINTS": SLUGGISH, "BATCH_LIMIT_S": "1", "LOAD_LIMIT_S": "5"}
STATES = """
SELECT version.version, load.state FROM models_registry_versionload AS load
JOIN models_registry_modelversion AS version ON version.id = load.version_id
WHERE node LIKE 'gpu-4@%%' ORDER BY version.id
"""
LONGEST_S = 1.5  # a job that waited for the load would take 3 s


def test_a_load_is_no_batch_s_time_and_what_is_stuck_ends_its_worker_alone(stack: Stack, app: App) -> None:
    register(stack, "nimble", "1", "echo", "--alias", "default")
    for version, load_s in (("1", 0), ("slow", 3), ("next", 3), ("stuck", 60)):
        words = ("--alias", "default") if version == "1" else ()
        register(stack, "sluggard", version, SLUGGISH, *words, load_s=load_s)
    with own_worker(stack, "nimble", also="sluggard", index=4, ends_with=70, **LIMITS) as worker:
        slow = app.submit("sluggard:slow", {"n": 1})["id"]
        wait_until(lambda: ("slow", "loading") in app.rows(STATES))
        took_s = list[float]()
        while app.job(slow)["state"] == "queued":
            for model in ("nimble", "sluggard:1"):
                began = time.monotonic()
                assert app.finished(app.submit(model, {"n": 2})["id"])["state"] == "succeeded"
                took_s.append(time.monotonic() - began)
        assert len(took_s) > 6
        assert max(took_s) < LONGEST_S
        job = app.finished(slow)
        assert (job["state"], job["attempts"]) == ("succeeded", 1)
        assert worker.poll() is None
        assert {("1", "ready"), ("slow", "ready")} == set(app.rows(STATES))
        promote = partial(manage, stack, "move_alias", "sluggard", "default", "next")
        with ThreadPoolExecutor(1) as apart:
            moved = apart.submit(promote)
            versions = [app.finished(app.submit("sluggard", {"n": 5})["id"])]
            while not moved.done():
                began = time.monotonic()
                versions.append(app.finished(app.submit("sluggard", {"n": 5})["id"]))
                took_s.append(time.monotonic() - began)
            assert "Workers load sluggard:next first. It waits for gpu-4@" in moved.result()
        assert {job["version"] for job in versions[:3]} == {"1"}
        assert max(took_s) < LONGEST_S
        assert ("next", "ready") in app.rows(STATES)
        assert app.finished(app.submit("sluggard", {"n": 6})["id"])["version"] == "next"
        stuck = app.submit("sluggard:stuck", {"n": 3})["id"]
        assert worker.wait(20) == 70
        assert "Its thread cannot be stopped, so the worker ends" in log_of(stack, 4).read_text()
    # The next worker of this name serves the others at once, and leaves the stuck version alone.
    with own_worker(stack, "nimble", also="sluggard", index=4, **LIMITS):
        assert app.finished(app.submit("sluggard", {"n": 4})["id"])["state"] == "succeeded"
        assert ("stuck", "failed") in app.rows(STATES)
        job = app.job(stuck)
        assert (job["state"], job["attempts"]) == ("queued", 0)

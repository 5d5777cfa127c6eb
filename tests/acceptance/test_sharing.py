"""A thousand identical requests at once: one runs and all succeed, also when the relay dies meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference_site.stack.harness import Stack
from tests.support.app import JOBS, App
from tests.support.gated_model import ENTRY_POINT
from tests.support.own_worker import own_worker, register_gated
from tests.support.wait import wait_until

MODEL, REQUESTS = "shared", 1_000
SAME = {"model": MODEL, "input": {"text": "the same for all"}}
RUNS = """
SELECT count(*) FROM jobs_batch batch CROSS JOIN unnest(batch.members) AS member
JOIN jobs_job job ON job.id = member WHERE job.queue = %s
"""
RESULTS = """
SELECT count(*), count(DISTINCT result.body), count(DISTINCT result.source)
FROM jobs_jobresult result JOIN jobs_job job ON job.id = result.job_id WHERE job.queue = %s
"""


@pytest.fixture
def gate(stack: Stack, app: App) -> Iterator[Path]:
    """The file that lets the model answer."""
    gate = register_gated(stack, MODEL, cache_ttl_s=600)
    yield gate
    gate.touch()


def test_a_thousand_identical_concurrent_requests_run_once(stack: Stack, app: App, gate: Path) -> None:
    with own_worker(stack, MODEL, index=12, MODEL_ENTRY_POINTS=ENTRY_POINT):
        answers = asyncio.run(all_at_once(stack.info["api"], stack.info["token"]))
        ids = [job["id"] for _, job in answers]
        assert Counter(status for status, _ in answers) == {202: REQUESTS}
        assert len(set(ids)) == REQUESTS
        assert app.rows("SELECT count(*) FROM jobs_follower") == [(REQUESTS - 1,)]
        wait_until(lambda: app.states(ids).get("running") == 1, what=lambda: app.states(ids))
        gate.touch()
        wait_until(lambda: app.states(ids).get("succeeded"), every_s=0.001)
        killed = stack.kill("relay")
        assert app.all_finished(ids) == {"succeeded": REQUESTS}
        stack.wait_restarted("relay", old_pid=killed)
    assert app.rows(RUNS, MODEL) == [(1,)]
    assert app.rows(RESULTS, MODEL) == [(REQUESTS, 1, 1)]
    again = app.http.post(JOBS, json=SAME)
    (leader,) = {app.job(job)["cached_from"] for job in ids} - {None}
    assert (again.status_code, again.json()["cached_from"]) == (200, leader)
    assert again.json()["output"] == SAME["input"]


async def all_at_once(api: str, token: str) -> list[tuple[int, Any]]:
    limits = httpx.Limits(max_connections=REQUESTS)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=api, headers=headers, limits=limits, timeout=120, trust_env=False
    ) as http:
        answers = await asyncio.gather(*(http.post(JOBS, json=SAME) for _ in range(REQUESTS)))
    return [(answer.status_code, answer.json()) for answer in answers]

"""The live page's figures on a real stack: each job once, and the times that a load test measures."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference_site.stack.harness import Stack
from jobs.core.operations.recent_jobs import JobTally
from jobs.core.operations.spread import percentiles_of
from jobs.management.loadtest.load_arguments import LoadArguments, add_load_arguments
from jobs.management.loadtest.load_run import run_load
from jobs.services.operations.ended_reads import EndedReads
from tests.support.app import App
from tests.support.wait import wait_until
from tests.support.watched_page import rows_of

NOW = "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint"
RECORDED = """
SELECT COALESCE(sum(out_per_s), 0)::float8 FROM jobs_operationsstep
WHERE step_s = 1 AND queue = 'sleeper' AND at BETWEEN %s AND %s
"""
NEWEST = "SELECT COALESCE(max(at), 0) FROM jobs_operationsstep WHERE step_s = 1"


def now_of(app: App) -> int:
    ((now,),) = app.rows(NOW)
    return int(now)


@pytest.fixture
def operator(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.info["api"], follow_redirects=True, trust_env=False) as http:
        page = http.get("/admin/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None
        form = {
            "username": stack.info["admin_user"], "password": stack.info["admin_password"],
            "csrfmiddlewaretoken": token[1],
        }  # fmt: skip
        http.post("/admin/login/", data=form, headers={"Referer": str(page.url)}).raise_for_status()
        yield http


def reading_of(operator: httpx.Client) -> dict[str, Any]:
    """Return a reading as programs get it, once a stream has shown that readings are made."""
    with operator.stream("GET", "/admin/operations/readings", timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        data = next(line for line in answer.iter_lines() if line.startswith("data: "))
        assert "sleeper" in {
            model for model, *_ in rows_of(json.loads(data.removeprefix("data: ")), "models")
        }
    reading: dict[str, Any] = operator.get("/admin/operations/reading").raise_for_status().json()
    return reading


def test_the_page_counts_each_job_once_and_its_p95_is_that_of_a_load_test(
    stack: Stack, app: App, operator: httpx.Client, tmp_path: Path
) -> None:
    begin = now_of(app) + 1
    wait_until(lambda: now_of(app) >= begin)  # the job of the fixture ended before
    parser = ArgumentParser()
    add_load_arguments(parser)
    (inputs := tmp_path / "inputs.jsonl").write_text("{}\n")
    words = ["sleeper:slow", "--rate", "10", "--duration", "3s", "--input", f"sleeper:slow={inputs}"]
    words += ["--url", stack.info["api"], "--token", stack.info["token"]]
    report = run_load(LoadArguments.of(vars(parser.parse_args(words))))
    end = now_of(app)
    wait_until(lambda: app.rows(NEWEST)[0][0] >= end, what="the recorder")
    assert app.rows(RECORDED, begin, end) == [(float(report.sums.succeeded),)] == [(30.0,)]

    reads, tally = EndedReads(), JobTally()
    for second in range(begin, end + 1):
        tally.add(reads.read(app.database, second).models.get("sleeper", JobTally()))
    times = percentiles_of(tally.total)
    assert times.count == report.latency_ms.count == 30
    assert report.latency_ms.p95 is not None
    assert times.p95_s == pytest.approx(report.latency_ms.p95 / 1_000, rel=0.1)

    reading = reading_of(operator)
    (sleeper,) = [model for model in reading["models"] if model["model"] == "sleeper"]
    assert sleeper["total"]["count"] >= 30
    assert sleeper["stages"]["run"]["p50_s"] == pytest.approx(1.0, rel=0.2)
    assert {part for part, state in reading["parts"].items() if not state["ok"]} == set()
    (worker,) = reading["workers"]
    assert (worker["alive"], worker["total"]["count"] >= 30) == (True, True)

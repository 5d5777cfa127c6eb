"""`manage.py loadtest` on a real stack: each way to wait sees every end, and the database agrees."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest

from inference_site.stack.harness import Stack
from jobs.management.loadtest.load_arguments import LoadArguments, add_load_arguments
from jobs.management.loadtest.load_run import run_load
from tests.support.app import App, manage


@pytest.mark.parametrize(
    ("wait", "mode"), [("longpoll", "bulk:5"), ("sse", "single"), ("poll", "single"), ("webhook", "single")]
)
def test_every_accepted_job_is_followed_to_its_end(wait: str, mode: str, stack: Stack, app: App) -> None:
    if wait == "webhook":
        manage(stack, "webhook_secret", "stack")
    newest = app.submit("echo", {"text": "the last one before"})["id"]
    parser = ArgumentParser()
    add_load_arguments(parser)
    target = ["--url", stack.info["api"], "--token", stack.info["token"]]
    words = ["echo", "--rate", "10", "--duration", "1s", "--wait", wait, "--mode", mode, *target]
    report = run_load(LoadArguments.of(vars(parser.parse_args(words))))
    assert (report.sums.succeeded, report.sums.intended, report.unmeasured) == (10, 10, 0)
    assert report.sums.closes
    assert report.latency_ms.count == 10
    app.finished(newest)
    later = app.rows("SELECT state, count(*) FROM jobs_job WHERE id > %s GROUP BY state", newest)
    assert later == [("succeeded", 10)]

"""A cascade of two models on the whole stack: one job, one result, one webhook and one end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App, manage, register
from tests.support.wait import wait_until

ALIAS = "unsure"
STEPS = "SELECT number, why, confidence FROM jobs_step WHERE job_id = %s ORDER BY epoch"


def put(stack: Stack, **fields: object) -> None:
    escalate = {"pointer": "/confidence", "below": 0.7}
    cascade = {"first": f"echo:{ALIAS}", "then": "sleeper", "escalate": escalate, **fields}
    document = {"stable": ALIAS, "schema": "both", "cascade": cascade}
    manage(stack, "rules", "put", "echo", json.dumps(document), "--alias", ALIAS)


@pytest.fixture(scope="module")
def cascaded(stack: Stack) -> Iterator[str]:
    register(stack, "echo", ALIAS, "echo", "--alias", ALIAS, "--example", "{}")

    def is_put() -> bool:
        try:  # workers load the versions first
            put(stack)
        except AssertionError:
            return False
        return True

    wait_until(is_put, limit_s=60.0, every_s=1.0)
    yield f"echo@{ALIAS}"
    manage(stack, "rules", "put", "echo", json.dumps({"stable": ALIAS}), "--alias", ALIAS)


def test_a_job_goes_from_one_model_to_another_and_ends_once(app: App, cascaded: str) -> None:
    sure, unsure = (app.submit(cascaded, {"confidence": value})["id"] for value in (0.9, 0.2))
    first, second = app.finished(sure), app.finished(unsure)
    assert (first["state"], first["model"], first["step"]) == ("succeeded", "echo", 1)
    assert (second["state"], second["model"], second["step"]) == ("succeeded", "sleeper", 2)
    assert "degraded" not in second
    assert app.rows(STEPS, sure) == [(1, "enough", 0.9)]
    assert app.rows(STEPS, unsure) == [(1, "below", 0.2), (2, "enough", None)]
    ends = [event for event in app.client.stream(unsure) if event.name == "end"]
    assert len(ends) == 1


def test_many_jobs_end_once_each(app: App, cascaded: str) -> None:
    ids = app.bulk(cascaded, [{"confidence": number / 200} for number in range(200)])
    assert app.all_finished(ids) == {"succeeded": 200}
    (row,) = app.rows(
        "SELECT count(*) FILTER (WHERE number = 1), count(*) FILTER (WHERE number = 2) FROM jobs_step"
        " WHERE job_id = ANY(%s::uuid[])",
        ids,
    )
    assert row == (200, 140)
    (row,) = app.rows("SELECT count(*) FROM jobs_jobresult WHERE job_id = ANY(%s::uuid[])", ids)
    assert row == (200,)

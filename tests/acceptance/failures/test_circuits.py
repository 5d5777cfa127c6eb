"""The circuit of a version whose jobs fail opens, probes and closes; the held jobs then succeed."""

from __future__ import annotations

import time
from typing import Any

from inference_site.stack.harness import Stack
from tests.support.app import JOBS, App, register
from tests.support.wait import wait_until

BREAKER = {"least": 20, "share": 0.5, "cool_s": 2.0, "probes": 2}
QUICK = {"base_s": 0.05, "cap_s": 0.1}
JOBS_HELD, SICK_S = 400, 6.0
MANY = 1_500


def state(app: App, version: str) -> str:
    rows = app.rows(
        "SELECT c.state FROM jobs_circuit c JOIN models_registry_modelversion v ON v.id = c.version_id "
        "WHERE v.version = %s",
        version,
    )
    return str(rows[0][0]) if rows else "none"


def test_the_circuit_of_a_failing_version_opens_and_the_held_jobs_succeed_later(
    stack: Stack, app: App
) -> None:
    register(stack, "echo", "sick", "faulty", breaker=BREAKER, retry=QUICK)
    value = {"fail": "retry", "until": time.time() + SICK_S}
    jobs = app.bulk("echo:sick", [value] * JOBS_HELD, max_attempts=3)
    wait_until(lambda: state(app, "sick") == "open")
    answer = app.http.post(JOBS, json={"model": "echo:sick", "input": {}})
    if answer.status_code == 503:  # between two tries it is half open, and takes jobs
        assert answer.json()["code"] == "circuit_open"
        assert int(answer.headers["Retry-After"]) >= 1
    ended = app.all_finished(jobs, timeout_s=120)
    assert ended.get("succeeded", 0) > JOBS_HELD / 2, ended
    wait_until(lambda: state(app, "sick") == "closed")
    kinds = app.rows("SELECT DISTINCT detail->>'state' FROM jobs_event WHERE kind = 'circuit'")
    assert {"open", "half_open", "closed"} <= {kind for (kind,) in kinds}


def test_the_circuit_opens_before_every_queued_job_of_a_version_has_died(stack: Stack, app: App) -> None:
    breaker = {"dead": 30, "least": 10_000, "cool_s": 300.0}
    register(stack, "echo", "hopeless", "faulty", breaker=breaker, fallback="echo:1")
    jobs = app.bulk("echo:hopeless", [{"fail": "invalid"}] * MANY)
    wait_until(lambda: state(app, "hopeless") == "open")
    try:
        wait_until(lambda: app.rows("SELECT count(*) FROM jobs_job WHERE state = 'running'") == [(0,)])
        states = app.states(jobs)
        assert states["queued"] > MANY / 2, states
        assert app.finished(diverted(app))["state"] == "succeeded"
    finally:
        app.cancel_live()


def diverted(app: App) -> str:
    """Submit until a web process that knows of the circuit uses the fallback; return that job's id."""
    return str(wait_until(lambda: _if_diverted(app.submit("echo:hopeless", {"n": 1}))))


def _if_diverted(job: dict[str, Any]) -> str | None:
    return str(job["id"]) if job["version"] == "1" else None

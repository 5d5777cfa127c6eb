"""After a failed attempt comes a retry, or a reason for none; a storm of retries is damped."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from inference_site.stack.harness import Stack
from tests.support.app import JOBS, App, register
from tests.support.wait import wait_until

SHARE, FLOOR_PER_S = 0.2, 20.0
QUICK = {"base_s": 0.1, "cap_s": 0.3}
POLICIES: dict[str, dict[str, Any]] = {
    "quick": {**QUICK, "kinds": {"internal": {"attempts": 1}}},
    "stormy": {"base_s": 0.02, "cap_s": 0.05, "share": SHARE, "floor_per_s": FLOOR_PER_S},
}
STORM, CALM = 200, 40


@pytest.fixture(scope="module", autouse=True)
def versions(stack: Stack) -> None:
    for version, retry in POLICIES.items():
        # The circuit breaker would end a storm; here it has to last.
        register(stack, "echo", version, "faulty", retry=retry, breaker={"enabled": False})


def failed(app: App, job: str) -> list[dict[str, Any]]:
    rows = app.rows("SELECT detail FROM jobs_event WHERE job_id = %s AND kind = 'failed' ORDER BY id", job)
    return [detail for (detail,) in rows]


def reason(app: App, job: str) -> str:
    return str(app.job(job)["error"]["reason"])


def test_a_job_that_fails_for_a_while_is_retried_until_it_succeeds(app: App) -> None:
    value = {"fail": "retry", "until": time.time() + 1.5}
    job = app.finished(app.submit("echo:quick", value, max_attempts=100)["id"])
    assert (job["state"], job["output"]) == ("succeeded", value)
    attempts = failed(app, job["id"])
    assert job["attempts"] == len(attempts) + 1 > 2
    assert [attempt["attempt"] for attempt in attempts] == list(range(1, job["attempts"]))
    assert all(0 <= attempt["delay_s"] <= QUICK["cap_s"] for attempt in attempts)
    assert all(a["kind"] == "transient" and a["worker"] and a["batch"] for a in attempts)


def test_a_job_that_keeps_failing_uses_all_its_attempts_and_has_a_reason(app: App) -> None:
    job = app.finished(app.submit("echo:quick", {"fail": "retry"})["id"])
    assert (job["state"], job["attempts"], job["error"]["kind"]) == ("dead", 3, "transient")
    assert reason(app, job["id"]) == "attempt 3 of 3 was the last"
    assert failed(app, job["id"])[-1]["reason"] == "attempt 3 of 3 was the last"


def test_a_request_and_a_version_s_rule_for_a_kind_both_bound_the_attempts(app: App) -> None:
    once = app.finished(app.submit("echo:quick", {"fail": "retry"}, max_attempts=1)["id"])
    ruled = app.finished(app.submit("echo:quick", {"fail": "raise"}, max_attempts=9)["id"])
    assert (once["state"], once["attempts"]) == ("dead", 1)
    assert (ruled["state"], ruled["attempts"], ruled["error"]["kind"]) == ("dead", 1, "poison")
    assert reason(app, ruled["id"]) == "attempt 1 of 1 for a failure of kind internal was the last"


def test_bad_input_is_not_retried(app: App) -> None:
    job = app.finished(app.submit("echo:quick", {"fail": "invalid"}, max_attempts=9)["id"])
    assert (job["state"], job["attempts"], job["error"]["kind"]) == ("dead", 1, "invalid")
    assert reason(app, job["id"]) == "a failure of kind invalid is not retried"


def test_retries_end_with_the_deadline(app: App) -> None:
    job = app.finished(app.submit("echo:quick", {"fail": "retry"}, max_attempts=100, deadline_s=2)["id"])
    assert 1 < job["attempts"] < 100
    if job["state"] == "dead":  # else the last retry came too late, and the deadline took it
        assert reason(app, job["id"]).startswith("the deadline leaves no time for another attempt: ")
    else:
        assert job["state"] == "expired"


def accepted(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 202 else None


def test_an_answer_that_comes_after_the_deadline_is_not_stored(app: App) -> None:
    # It is refused while another test's last job still runs, because it would come too late.
    asked = {"model": "sleeper:slow", "input": {}, "deadline_s": 0.7}
    answer = wait_until(lambda: accepted(app.http.post(JOBS, json=asked)), every_s=0.5)
    job = app.finished(answer.json()["id"])
    assert job["state"] == "expired"
    assert app.rows("SELECT 1 FROM jobs_jobresult WHERE job_id = %s", job["id"]) == []


def test_a_storm_of_retries_keeps_to_its_share_and_new_jobs_flow(app: App) -> None:
    began = time.monotonic()
    # Loads the version: what is put back meanwhile is published again, and pays for retries once more.
    app.finished(app.submit("echo:stormy", {})["id"])
    storm = app.bulk("echo:stormy", [{"fail": "retry", "n": n} for n in range(STORM)], max_attempts=100)
    try:
        wait_until(lambda: app.attempts(storm).get(0, 0) == 0, what=lambda: app.attempts(storm))
        calm = [app.submit("echo:stormy", {"n": n})["id"] for n in range(CALM)]
        assert app.all_finished(calm) == {"succeeded": CALM}
        wait_until(lambda: retries(app, storm) >= STORM / 2, what=lambda: retries(app, storm))
        count, lasted_s = retries(app, storm), time.monotonic() - began
        assert app.states(storm).keys() <= {"queued", "waiting", "running"}
        assert count <= SHARE / (1 - SHARE) * (STORM + CALM + 1) + FLOOR_PER_S * lasted_s
    finally:
        for job in storm:
            app.act(job, "cancel")


def retries(app: App, jobs: list[str]) -> int:
    ((attempts,),) = app.rows(
        "SELECT sum(greatest(attempts - 1, 0)) FROM jobs_job WHERE id = ANY(%s::uuid[])", jobs
    )
    return int(attempts)

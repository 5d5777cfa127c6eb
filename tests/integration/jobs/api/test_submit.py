"""Submitting jobs, well and badly."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from django.test import Client

from jobs.api.http.origin import BEGAN
from jobs.core.states import State
from jobs.models import Job, JobInput, Outbox
from tests.support.locks import wait_until_a_session_is_blocked
from tests.support.samples import Samples
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("road")
GOOD = {"model": "echo", "input": {"text": "hello"}}
BULK = "/api/v1/jobs/bulk"


def test_a_job_is_acknowledged_and_stored_with_its_input_and_its_outbox_row(post: Callable[..., Any]) -> None:
    answer = post(GOOD | {"priority": 9, "deadline_s": 60, "metadata": {"k": 1}})
    view = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == view["urls"]["self"]
    assert set(view) == {
        "id", "state", "model", "version", "attempts", "created_at", "queue_position", "eta_s", "eta_unknown",
        "urls",
    }  # fmt: skip
    job = Job.objects.get(pk=view["id"])
    outbox = Outbox.objects.get(pk=job.pk)
    assert (job.state, job.epoch, job.priority, job.model, job.max_attempts) == (
        State.QUEUED,
        0,
        9,
        "echo",
        3,
    )
    assert (outbox.epoch, outbox.priority, outbox.deadline) == (0, 9, job.deadline)
    assert bytes(JobInput.objects.get(pk=job.pk).body) == b'{"text":"hello"}'


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "nope", "input": {}}, 404, "model_not_found"),
        ({"model": "echo:9", "input": {}}, 404, "model_not_found"),
        ({"model": "echo", "input": {"text": 5}}, 422, "invalid_input"),
        ({"model": "echo", "input": []}, 422, "invalid_input"),
        (GOOD | {"callback_url": "http://a/"}, 422, "callback_refused"),
        (GOOD | {"callback_url": "https://a.example/"}, 422, "webhook_secret_missing"),
        (GOOD | {"metadata": {"k": "x" * 20_000}}, 422, "metadata_too_large"),
        (GOOD | {"colour": "red"}, 400, "malformed"),
        (b"", 400, "malformed"),
        (b'{"model":"echo","input":{"text":"\xff"}}', 400, "malformed"),
        (b'{"model":"echo","input":{"a":NaN}}', 400, "malformed"),
        (b'{"model":"echo","input":' + b"[" * 200_000, 400, "malformed"),
        (b"x" * 1_000_001, 413, "body_too_large"),
    ],
)
def test_each_bad_body_gets_a_clear_problem_and_stores_nothing(
    post: Callable[..., Any], body: Any, status: int, code: str
) -> None:
    answer = post(body)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["detail"]
    assert not Job.objects.exists()


def test_an_input_keeps_what_postgres_s_json_type_would_lose(post: Callable[..., Any]) -> None:
    raw = b'{"model":"echo","input":{"z":"\\u0000","a":123456789012345678901234567890,"f":1e2}}'
    problem = post(raw).json()
    body = bytes(JobInput.objects.get(pk=problem["id"]).body)
    assert body == b'{"a":123456789012345678901234567890,"f":100.0,"z":"\\u0000"}'


def test_the_same_key_and_body_are_the_same_job_and_another_body_a_conflict(post: Callable[..., Any]) -> None:
    first, again = post(GOOD, Idempotency_Key="k"), post(GOOD | {"priority": 4}, Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    other = post(GOOD | {"priority": 5}, Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert Job.objects.count() == Outbox.objects.count() == 1


def test_a_repeated_key_answers_200_once_the_job_is_done(post: Callable[..., Any], app: Client) -> None:
    job = post(GOOD, Idempotency_Key="k").json()
    app.post(f"/api/v1/jobs/{job['id']}/cancel")
    again = post(GOOD, Idempotency_Key="k")
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")


def test_a_key_belongs_to_its_owner(post: Callable[..., Any], other_app: Client) -> None:
    mine = post(GOOD, Idempotency_Key="k").json()
    theirs = other_app.post(
        "/api/v1/jobs", data=GOOD, content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    assert theirs.status_code == 202
    assert theirs.json()["id"] != mine["id"]


def test_concurrent_duplicates_make_one_job(post: Callable[..., Any]) -> None:
    answers = at_once([lambda: post(GOOD, Idempotency_Key="race")] * 8)
    assert len({(answer.status_code, answer.json()["id"]) for answer in answers}) == 1
    assert Job.objects.count() == Outbox.objects.count() == JobInput.objects.count() == 1


def test_bulk_calls_insert_their_keys_in_order_so_that_two_cannot_deadlock(
    post: Callable[..., Any], db: str
) -> None:
    items = [GOOD | {"idempotency_key": key} for key in ("k9", "k1")]
    with ThreadPoolExecutor(1) as pool, psycopg.connect(db) as rival:
        _insert_key(rival, "k1")
        answer = pool.submit(_posted, post, items)
        wait_until_a_session_is_blocked()
        _insert_key(rival, "k9")
        rival.rollback()
        assert answer.result(20)["accepted"] == 2


def _posted(post: Callable[..., Any], items: list[Any]) -> Any:
    try:
        return post(items, BULK).json()
    finally:
        connection.close()


def _insert_key(rival: psycopg.Connection[Any], key: str) -> None:
    rival.execute(
        "INSERT INTO jobs_job (id, client_id, version_id, queue, priority, state, max_attempts,"
        " idempotency_key)"
        " SELECT gen_random_uuid(), c.id, v.id, 'echo', 4, 'queued', 3, %s"
        " FROM jobs_client c, models_registry_modelversion v",
        (key,),
    )


def test_a_bulk_call_returns_a_result_for_each_item(post: Callable[..., Any]) -> None:
    answer = post([GOOD, {"model": "nope", "input": 1}, GOOD | {"input": 5}, {"input": 1}, GOOD], BULK)
    summary = answer.json()
    assert (answer.status_code, summary["accepted"], summary["rejected"]) == (202, 2, 3)
    assert [item["index"] for item in summary["jobs"]] == [0, 1, 2, 3, 4]
    codes = [item["problem"]["code"] for item in summary["jobs"] if "problem" in item]
    assert codes == ["model_not_found", "invalid_input", "malformed"]


def test_bulk_ids_grow_with_the_index_also_across_chunks(post: Callable[..., Any]) -> None:
    summary = post([GOOD] * 2_500, BULK).json()
    ids = [UUID(item["id"]) for item in summary["jobs"]]
    assert ids == sorted(ids)
    assert Job.objects.count() == Outbox.objects.count() == JobInput.objects.count() == 2_500


@pytest.mark.parametrize("body", [[], {}, 5, [GOOD] * 10_001])
def test_a_bulk_call_without_a_list_of_jobs_or_with_too_many_is_refused(
    post: Callable[..., Any], body: Any
) -> None:
    answer = post(body, BULK)
    assert answer.headers["Content-Type"] == "application/problem+json" or body == {}
    assert not Job.objects.exists()


def test_json_lines_are_accepted_too(app: Client) -> None:
    lines = b"\n".join([json.dumps(GOOD).encode(), b"{bad", b"", json.dumps(GOOD).encode()])
    summary = app.post(BULK, data=lines, content_type="application/x-ndjson").json()
    assert (summary["accepted"], summary["rejected"]) == (2, 1)


def test_a_bulk_call_s_key_returns_the_same_jobs_and_refuses_other_items(
    post: Callable[..., Any],
) -> None:
    first, again = (
        post([GOOD, GOOD], BULK, Idempotency_Key="c"),
        post([GOOD, GOOD], BULK, Idempotency_Key="c"),
    )
    assert first.json() == again.json()
    other = post([GOOD | {"priority": 1}, GOOD, GOOD], BULK, Idempotency_Key="c")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert Job.objects.count() == 2


def test_jobs_are_counted_by_model_and_client_and_how_long_their_admission_took(
    app: Client, post: Callable[..., Any], road: str
) -> None:
    counted = Samples()
    defaults: dict[str, Any] = app.defaults
    defaults[BEGAN] = monotonic() - 5.0  # Django's road has it from the server
    post(GOOD, idempotency_key="once")
    post(GOOD, idempotency_key="once")
    post([GOOD, GOOD, {"model": "nope", "input": {}}], BULK)
    assert counted("inference_jobs_accepted_total", model="echo", client="app") == 3
    admitted = {"model": "echo", "stage": "admit"}
    assert counted("inference_stage_seconds_count", **admitted) == 3
    assert counted("inference_stage_seconds_sum", **admitted) >= (15.0 if road == "django" else 10.0)
    assert counted("inference_stage_seconds_bucket", le="5.0", **admitted) == (0 if road == "django" else 1)


def test_refused_jobs_are_counted_by_the_code_of_their_problem(post: Callable[..., Any]) -> None:
    counted = Samples()
    post({"model": "nope", "input": {}})
    post([{"model": "echo", "input": {"text": 5}}, GOOD | {"colour": "red"}], BULK)
    assert counted("inference_jobs_refused_total", reason="model_not_found") == 1
    assert counted("inference_jobs_refused_total", reason="invalid_input") == 1
    assert counted("inference_jobs_refused_total", reason="malformed") == 1
    assert counted("inference_jobs_accepted_total", model="echo", client="app") == 0

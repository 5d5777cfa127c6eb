"""Feedback over the API: own ended jobs alone, once a name, in time; and many at once, item by item."""

from __future__ import annotations

import json
from datetime import timedelta
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from jobs import metrics
from jobs.core.states import State
from jobs.models import Feedback, Job
from jobs.services.access.tokens import create_token
from jobs.services.erasure.erase_job import erase_job
from jobs.services.retention.forget_old import forget_old
from tests.support.factories import make_client, make_job, make_version
from tests.support.personal_data import SCHEMA


def app(*scopes: str, client: str = "tests") -> Client:
    token = create_token(client=client, scopes=list(scopes or ("submit",)))
    return Client(headers={"Authorization": f"Bearer {token}"})


def give(sender: Client, job: UUID, value: Any, name: str = "liked") -> Any:
    return post(sender, f"jobs/{job}/feedback", json.dumps({"name": name, "value": value}))


def post(sender: Client, path: str, body: str) -> Any:
    return sender.post(f"/api/v1/{path}", body, "application/json")


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code")


@pytest.fixture
def ended(db: str) -> Job:
    return make_job(state=State.SUCCEEDED)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (True, 1.0),
        (False, 0.0),
        (4, 4.0),
        (-0.5, -0.5),
        ("invoice", "invoice"),
        ("", ""),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_value_is_stored_once(ended: Job, value: Any, stored: Any) -> None:
    sender = app()
    first = give(sender, ended.id, value)
    assert (first.status_code, first.json()) == (
        201, {"job": str(ended.id), "name": "liked", "value": stored},
    )  # fmt: skip
    again = give(sender, ended.id, value)
    assert (again.status_code, again.json()) == (200, first.json())
    row = Feedback.objects.get()
    assert (row.value if row.label is None else row.label) == stored
    other = "another" if isinstance(value, str) else 7
    assert problem(give(sender, ended.id, other)) == (409, "feedback_conflict")
    assert Feedback.objects.count() == 1


def test_a_job_has_a_value_of_each_name_up_to_twenty(ended: Job) -> None:
    sender = app()
    assert {give(sender, ended.id, 1, f"n{n}").status_code for n in range(20)} == {201}
    assert problem(give(sender, ended.id, 1, "one-more")) == (422, "feedback")
    assert give(sender, ended.id, 1, "n3").status_code == 200


def test_another_client_s_job_and_none_at_all_are_not_there(ended: Job) -> None:
    assert problem(give(app(client="others"), ended.id, 1)) == (404, "job_not_found")
    assert problem(give(app(), uuid4(), 1)) == (404, "job_not_found")
    assert not Feedback.objects.exists()


def test_an_admin_reaches_the_jobs_of_all_clients(ended: Job) -> None:
    assert give(app("admin", client="others"), ended.id, 1).status_code == 201


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.RUNNING])
def test_a_job_that_has_not_ended_takes_none(db: str, state: State) -> None:
    job = make_job(state=state)
    assert problem(give(app(), job.id, 1)) == (409, "wrong_state")


@pytest.mark.parametrize("state", [State.DEAD, State.CANCELLED, State.EXPIRED])
def test_a_job_that_ended_without_an_answer_takes_some(db: str, state: State) -> None:
    assert give(app(), make_job(state=state).id, 0).status_code == 201


def test_after_thirty_days_it_is_too_late(ended: Job) -> None:
    Job.objects.update(finished_at=Now() - timedelta(days=29, hours=23))
    assert give(app(), ended.id, 1).status_code == 201
    Job.objects.update(finished_at=Now() - timedelta(days=30, minutes=1))
    assert problem(give(app(), ended.id, 1, "late")) == (410, "feedback_expired")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("NaN", "is not finite"),
        ("Infinity", "is not finite"),
        ("-Infinity", "is not finite"),
        ("1e999", "is not finite"),
        ("1" + "0" * 400, "larger than a number"),
        ('"a\\u0000b"', "NUL"),
        ('"\\ud800"', "surrogate"),
        ("1e200", "too large"),
        ("-1.1e100", "too large"),
        (json.dumps("x" * 201), "201 characters"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused(ended: Job, value: str, words: str) -> None:
    answer = post(app(), f"jobs/{ended.id}/feedback", f'{{"name": "liked", "value": {value}}}')
    assert problem(answer) == (422, "feedback")
    assert words in answer.json()["detail"]
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "{", '{"name": "liked"}', '{"name": "liked", "value": null}', '{"name": "", "value": 1}',
        '{"name": "liked", "value": [1]}', '{"name": "a b", "value": 1}', '{"name": "liked\\n", "value": 1}',
        '{"name": "liked", "value": 1, "more": 1}', json.dumps({"name": "x" * 64, "value": 1}), "[" * 10_000,
        '{"name": "\\u0000", "value": 1}', '{"\\ud800": 1}', '"\\ud800"',
        '{"name": "liked", "value": 1, "\\ud800": 1}',
    ],
)  # fmt: skip
def test_a_body_of_another_shape_is_malformed(ended: Job, body: str) -> None:
    assert problem(post(app(), f"jobs/{ended.id}/feedback", body)) == (400, "malformed")


def test_a_token_needs_the_scope_submit(ended: Job) -> None:
    assert problem(give(app("read"), ended.id, 1)) == (403, "forbidden")
    assert problem(post(app("read"), "feedback", "{}")) == (403, "forbidden")


def test_many_have_an_outcome_each_and_a_refused_one_changes_no_other(ended: Job) -> None:
    others, running = make_job(state=State.SUCCEEDED, client=make_client("others")), make_job()
    items = [
        {"job": str(ended.id), "name": "liked", "value": 1},
        {"job": str(others.id), "name": "liked", "value": 1},
        {"job": str(running.id), "name": "liked", "value": 1},
        {"job": str(ended.id), "name": "liked", "value": 1},
        {"job": str(ended.id), "name": "liked", "value": 2},
        {"job": str(ended.id), "name": "stars", "value": float("nan")},
        {"job": "no id", "name": "stars", "value": 1},
        {"job": "\ud800", "name": "stars", "value": 1},
        {"job": str(ended.id), "name": "label", "value": "invoice"},
        7,
    ]
    answer = post(app(), "feedback", json.dumps({"feedback": items}))
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (3, 7)
    shown = [item.get("new", item.get("problem", {}).get("code")) for item in body["feedback"]]
    assert shown == [
        True, "job_not_found", "wrong_state", False, "feedback_conflict", "feedback", "malformed",
        "malformed", True, "malformed",
    ]  # fmt: skip
    assert [item["index"] for item in body["feedback"]] == list(range(10))
    assert set(Feedback.objects.values_list("job_id", "name", "value", "label")) == {
        (ended.id, "liked", 1.0, None), (ended.id, "label", None, "invoice"),
    }  # fmt: skip


@pytest.mark.parametrize("count", [0, 1001])
def test_a_call_has_one_to_a_thousand_items(ended: Job, count: int) -> None:
    item = {"job": str(ended.id), "name": "liked", "value": 1}
    assert problem(post(app(), "feedback", json.dumps({"feedback": [item] * count}))) == (400, "malformed")
    assert problem(post(app(), "feedback", json.dumps([item]))) == (400, "malformed")


def test_of_two_calls_at_once_one_value_stays(ended: Job) -> None:
    senders, answers = [app(), app()], list[int]()

    def send(sender: Client, value: int) -> None:
        answers.append(give(sender, ended.id, value).status_code)
        connection.close()

    threads = [Thread(target=send, args=(sender, value)) for value, sender in enumerate(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 409]
    assert Feedback.objects.count() == 1


def test_a_version_that_encrypts_takes_numbers_and_no_text(db: str) -> None:
    version = make_version("sealed", options={"encrypt": True})
    job = make_job(state=State.SUCCEEDED, version=version, model="sealed")
    assert give(app(), job.id, 4).status_code == 201
    assert problem(give(app(), job.id, "invoice", "label")) == (422, "feedback")


def test_a_version_that_marks_personal_data_takes_numbers_and_no_text(db: str) -> None:
    version = make_version("people", input_schema=SCHEMA)
    job = make_job(state=State.SUCCEEDED, version=version, model="people")
    assert give(app(), job.id, 4).status_code == 201
    assert problem(give(app(), job.id, "max", "who")) == (422, "feedback")
    assert Feedback.objects.get().label is None


@pytest.mark.parametrize("beside", [False, True])
def test_a_job_that_has_not_ended_is_not_locked(db: str, ended: Job, *, beside: bool) -> None:
    """A claim or a settle that has its lock is not waited for, and so waits for no feedback."""
    live = make_job(state=State.RUNNING)
    items = [
        {"job": str(job.id), "name": "liked", "value": 1} for job in ([live, ended] if beside else [live])
    ]
    with psycopg.connect(db) as other:
        other.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [live.id])
        answer = post(app(), "feedback", json.dumps({"feedback": items}))
    outcomes = [item.get("new", item.get("problem", {}).get("code")) for item in answer.json()["feedback"]]
    assert outcomes == (["wrong_state", True] if beside else ["wrong_state"])


def test_an_erased_job_keeps_none_and_takes_none(ended: Job) -> None:
    sender = app()
    give(sender, ended.id, "invoice")
    assert erase_job(job_id=ended.id, actor="tests")
    assert not Feedback.objects.exists()
    assert problem(give(sender, ended.id, 1)) == (410, "job_erased")


def test_it_goes_with_its_job(ended: Job) -> None:
    kept = make_job(state=State.SUCCEEDED)
    for job in (ended, kept):
        give(app(), job.id, 1)
    old = UUID(int=ended.id.int - (2_000 * 86_400_000 << 80))
    for table, column in (("jobs_job", "id"), ("jobs_feedback", "job_id")):
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET {column} = %s WHERE {column} = %s", [old, ended.id])
    Job.objects.filter(pk=old).update(finished_at=Now() - timedelta(days=2_000))
    forget_old(actor="tests")
    assert list(Feedback.objects.values_list("job_id", flat=True)) == [kept.id]


def test_it_is_counted(ended: Job) -> None:
    def count(result: str) -> float:
        return float(metrics.FEEDBACK.labels("echo", result)._value.get())

    before = (
        count("stored"),
        count("repeated"),
        metrics.FEEDBACK_REFUSED.labels("feedback_conflict")._value.get(),
    )
    for value in (1, 1, 2):
        give(app(), ended.id, value)
    after = (
        count("stored"),
        count("repeated"),
        metrics.FEEDBACK_REFUSED.labels("feedback_conflict")._value.get(),
    )
    assert [late - early for early, late in zip(before, after, strict=True)] == [1, 1, 1]

"""The cache and collapsing as a client sees them, and their effect on idempotency keys."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.test import Client
from django.utils import timezone

from jobs.models import CacheEntry, Follower, Job, JobResult, Outbox
from tests.support.factories import make_version
from tests.support.reuse import MODEL, shared_version
from tests.support.threads import at_once
from tests.support.worker import BAD, settle_due

pytestmark = [pytest.mark.usefixtures("road"), pytest.mark.parametrize("road", ["loop"], indirect=True)]
SAME = {"model": MODEL, "input": {"text": "hello"}}
BULK = "/api/v1/jobs/bulk"


@pytest.fixture(autouse=True)
def cached(echo: None) -> None:
    shared_version()


def test_an_identical_request_is_answered_at_once_with_the_earlier_output(
    post: Callable[..., Any], session: sa.Connection
) -> None:
    first = post(SAME).json()
    settle_due(session)
    answer = post(SAME | {"metadata": {"m": 1}, "priority": 9})
    job = answer.json()
    assert (answer.status_code, job["state"], job["output"]) == (200, "succeeded", {"answer": 42})
    assert (job["cached_from"], job["metadata"]) == (first["id"], {"m": 1})
    assert job["id"] != first["id"]
    assert answer.headers["Location"] == job["urls"]["self"]
    assert not Outbox.objects.exists()
    assert (job["started_at"], job["finished_at"]) == (None, job["created_at"])


def test_a_job_that_ran_itself_comes_from_no_cache(
    post: Callable[..., Any], app: Client, session: sa.Connection
) -> None:
    job = post(SAME).json()
    settle_due(session)
    assert app.get(f"/api/v1/jobs/{job['id']}").json()["cached_from"] is None


def test_a_hit_of_a_hit_names_the_job_that_ran(post: Callable[..., Any], session: sa.Connection) -> None:
    first = post(SAME).json()
    settle_due(session)
    assert [post(SAME).json()["cached_from"] for _ in range(2)] == [first["id"]] * 2
    assert JobResult.objects.count() == Job.objects.count() == 3


def test_no_client_is_answered_with_another_clients_result(
    post: Callable[..., Any], other_app: Client, session: sa.Connection
) -> None:
    post(SAME)
    settle_due(session)
    theirs = other_app.post("/api/v1/jobs", data=SAME, content_type="application/json")
    assert (theirs.status_code, theirs.json()["state"]) == (202, "queued")


def test_a_cache_entry_of_one_client_s_job_answers_no_other_client(
    post: Callable[..., Any], other_app: Client, session: sa.Connection
) -> None:
    theirs = other_app.post("/api/v1/jobs", data=SAME, content_type="application/json").json()
    settle_due(session)
    post(SAME)
    CacheEntry.objects.update(job_id=theirs["id"])
    assert post(SAME).status_code == 202


@pytest.mark.parametrize(
    "other", [{"input": {"text": "else"}}, {"parameters": {"k": 1}}, {"cache": "bypass"}]
)
def test_another_request_and_a_bypass_run(
    post: Callable[..., Any], session: sa.Connection, other: dict[str, Any]
) -> None:
    post(SAME)
    settle_due(session)
    assert post(SAME | other).status_code == 202
    assert Outbox.objects.count() == 1


def test_a_bypass_leaves_nothing_for_others(post: Callable[..., Any], session: sa.Connection) -> None:
    post(SAME | {"cache": "bypass"})
    assert not CacheEntry.objects.exists()
    settle_due(session)
    assert post(SAME).status_code == 202
    assert not Follower.objects.exists()


def test_a_refresh_runs_and_its_result_replaces_the_earlier_one(
    post: Callable[..., Any], session: sa.Connection
) -> None:
    post(SAME)
    settle_due(session)
    fresh = post(SAME | {"cache": "refresh"})
    assert fresh.status_code == 202
    assert settle_due(session) == [UUID(fresh.json()["id"])]
    assert post(SAME).json()["cached_from"] == fresh.json()["id"]


def test_a_refresh_follows_no_job_and_others_follow_it(post: Callable[..., Any]) -> None:
    first, fresh, last = post(SAME).json(), post(SAME | {"cache": "refresh"}).json(), post(SAME).json()
    assert set(Outbox.objects.values_list("job_id", flat=True)) == {UUID(first["id"]), UUID(fresh["id"])}
    assert Follower.objects.get().leader == UUID(fresh["id"])
    assert Follower.objects.get().job_id == UUID(last["id"])


def test_a_result_older_than_the_time_to_live_answers_no_request(
    post: Callable[..., Any], session: sa.Connection
) -> None:
    first = post(SAME).json()
    settle_due(session)
    Job.objects.filter(id=first["id"]).update(finished_at=timezone.now() - timedelta(seconds=61))
    assert post(SAME).status_code == 202


def test_one_version_s_result_never_answers_for_another(
    post: Callable[..., Any], session: sa.Connection
) -> None:
    post(SAME)
    settle_due(session)
    shared_version("2")
    assert post(SAME | {"model": f"{MODEL}:2"}).status_code == 202


def test_dead_and_cancelled_jobs_and_lost_results_answer_no_request(
    post: Callable[..., Any], app: Client, session: sa.Connection
) -> None:
    post(SAME)
    settle_due(session, BAD)
    cancelled = post(SAME).json()
    app.post(f"/api/v1/jobs/{cancelled['id']}/cancel")
    post(SAME)
    settle_due(session)
    JobResult.objects.all().delete()
    assert post(SAME).status_code == 202


def test_a_version_without_the_options_has_neither_entries_nor_followers(
    post: Callable[..., Any], session: sa.Connection
) -> None:
    plain = {"model": "echo", "input": {"text": "hello"}}
    post(plain)
    settle_due(session)
    assert post(plain).status_code == post([plain, plain], BULK).status_code == 202
    assert Outbox.objects.count() == 3
    assert not CacheEntry.objects.exists()
    assert not Follower.objects.exists()


def test_a_version_may_cache_without_collapsing(post: Callable[..., Any], session: sa.Connection) -> None:
    shared_version("2", cache_ttl_s=60, collapse=False)
    same = SAME | {"model": f"{MODEL}:2"}
    first, _ = post(same).json(), post(same)
    assert Outbox.objects.count() == 2
    settle_due(session)
    assert post(same).json()["cached_from"] == first["id"]


def test_a_version_may_collapse_without_a_cache(post: Callable[..., Any], session: sa.Connection) -> None:
    shared_version("2", collapse=True)
    same = SAME | {"model": f"{MODEL}:2"}
    first, second = post(same).json(), post(same).json()
    assert Follower.objects.get().job_id == UUID(second["id"])
    assert settle_due(session) == [UUID(first["id"])]
    assert post(same).status_code == 202
    assert Follower.objects.count() == 1


def test_a_more_urgent_request_runs_itself_and_those_after_it_follow_it(post: Callable[..., Any]) -> None:
    low, high = post(SAME | {"priority": 3}).json(), post(SAME | {"priority": 8}).json()
    assert dict(Outbox.objects.values_list("job_id", "priority")) == {UUID(low["id"]): 3, UUID(high["id"]): 8}
    post(SAME | {"priority": 8})
    assert Follower.objects.get().leader == UUID(high["id"])


def test_a_bulk_call_honours_each_items_own_word(post: Callable[..., Any], session: sa.Connection) -> None:
    done = post(SAME | {"input": {"text": "done"}}).json()
    settle_due(session)
    items = [
        SAME | {"input": {"text": "done"}},
        SAME,
        SAME,
        SAME | {"cache": "bypass"},
        SAME | {"input": {"text": "done"}, "cache": "refresh"},
        {"model": "echo", "input": {}},
    ]
    summary = post(items, BULK).json()
    assert [item["state"] for item in summary["jobs"]] == ["succeeded", *["queued"] * 5]
    assert [item.get("cached_from") for item in summary["jobs"]] == [done["id"], *[None] * 5]
    row = Follower.objects.get()
    assert {str(row.job_id), str(row.leader)} == {summary["jobs"][1]["id"], summary["jobs"][2]["id"]}
    assert Outbox.objects.count() == 4


def test_a_thousand_identical_jobs_of_one_call_run_once(post: Callable[..., Any]) -> None:
    summary = post([SAME] * 1_000, BULK).json()
    assert summary["accepted"] == 1_000
    leader = Outbox.objects.get().job_id
    assert set(Follower.objects.values_list("leader", flat=True)) == {leader}
    assert Follower.objects.count() == 999


def test_identical_requests_from_many_connections_run_once(post: Callable[..., Any]) -> None:
    answers = post_at_once(post, [SAME] * 8)
    assert [status for status, _ in answers] == [202] * 8
    assert Outbox.objects.count() == 1
    assert Follower.objects.count() == 7
    assert len({job["id"] for _, job in answers}) == 8


def post_at_once(post: Callable[..., Any], bodies: list[Any], **headers: str) -> list[tuple[int, Any]]:
    """Post the bodies at the same time; return each answer's status and JSON."""
    answers = at_once([partial(post, body, **headers) for body in bodies])
    return [(answer.status_code, answer.json()) for answer in answers]


@pytest.mark.parametrize("model", ["echo", MODEL])
def test_a_key_outlives_its_job_with_the_same_body_and_refuses_another(
    post: Callable[..., Any], session: sa.Connection, model: str
) -> None:
    body = SAME | {"model": model}
    first = post(body, Idempotency_Key="k").json()
    settle_due(session)
    again = post(body, Idempotency_Key="k")
    assert (again.status_code, again.json()["id"], again.json()["output"]) == (
        200,
        first["id"],
        {"answer": 42},
    )
    for other in (body | {"input": {"text": "else"}}, body | {"cache": "bypass"}):
        refused = post(other, Idempotency_Key="k")
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_conflict")
        assert "another body" in refused.json()["detail"]
    assert Job.objects.count() == 1


def test_a_keyed_request_that_was_answered_from_the_cache_is_the_same_job_again(
    post: Callable[..., Any], session: sa.Connection
) -> None:
    source = post(SAME).json()
    settle_due(session)
    hit, again = post(SAME, Idempotency_Key="k"), post(SAME, Idempotency_Key="k")
    assert hit.json() == again.json()
    assert (hit.status_code, again.status_code, hit.json()["cached_from"]) == (200, 200, source["id"])
    in_bulk = post([SAME | {"idempotency_key": "k"}], BULK).json()["jobs"][0]
    assert (in_bulk["id"], in_bulk["cached_from"]) == (hit.json()["id"], source["id"])


def test_a_keyed_request_sent_again_takes_no_key_from_the_job_that_it_is(
    post: Callable[..., Any], session: sa.Connection
) -> None:
    first = post(SAME, Idempotency_Key="k").json()
    settle_due(session, BAD)
    again = post(SAME, Idempotency_Key="k")
    assert (again.status_code, again.json()["state"]) == (200, "dead")
    assert CacheEntry.objects.get().job_id == UUID(first["id"])


def test_a_keyed_follower_is_the_same_job_again(post: Callable[..., Any]) -> None:
    post(SAME)
    first, again = post(SAME, Idempotency_Key="k"), post(SAME, Idempotency_Key="k")
    assert first.json() == again.json()
    assert (Job.objects.count(), Follower.objects.count()) == (2, 1)


@pytest.mark.parametrize("model", ["echo", MODEL])
def test_a_bulk_item_with_a_used_key_and_another_body_is_refused_alone_also_after_the_end(
    post: Callable[..., Any], session: sa.Connection, model: str
) -> None:
    body = SAME | {"model": model}
    first = post(body, Idempotency_Key="k").json()
    settle_due(session)
    items = [body | {"idempotency_key": "k"}, body | {"idempotency_key": "k", "input": {}}, body]
    jobs = post(items, BULK).json()["jobs"]
    assert (jobs[0]["id"], jobs[0]["state"]) == (first["id"], "succeeded")
    assert (jobs[1]["problem"]["status"], jobs[1]["problem"]["code"]) == (409, "idempotency_conflict")
    assert "id" in jobs[2]


@pytest.mark.parametrize("model", ["echo", MODEL])
def test_one_of_two_concurrent_bodies_with_a_key_becomes_a_job_and_the_other_conflicts(
    post: Callable[..., Any], model: str
) -> None:
    bodies = [SAME | {"model": model, "input": {"text": str(number % 2)}} for number in range(8)]
    answers = post_at_once(post, bodies, Idempotency_Key="race")
    text = json.loads(bytes(Job.objects.get().input.body))["text"]
    assert [status for status, _ in answers] == [202 if str(n % 2) == text else 409 for n in range(8)]
    assert len({body["id"] for status, body in answers if status == 202}) == 1
    assert Outbox.objects.count() == 1


def test_a_cache_key_of_a_request_that_lost_its_idempotency_key_is_free_for_the_next(
    post: Callable[..., Any], session: sa.Connection
) -> None:
    """A cache entry that names a job which was never stored harms no other request."""
    post(SAME)
    CacheEntry.objects.update(job_id=UUID(int=7))
    assert post(SAME).status_code == 202
    assert Outbox.objects.count() == 2
    make_version(MODEL)
    assert len(settle_due(session)) == 2
    assert post(SAME).status_code == 200


def test_a_lineage_names_the_job_whose_run_gave_the_answer(
    post: Callable[..., Any], app: Client, session: sa.Connection
) -> None:
    ran = post(SAME).json()["id"]
    settle_due(session)
    hit = post(SAME).json()["id"]
    output = {job: app.get(f"/api/v1/jobs/{job}/lineage").json()["output"] for job in (ran, hit)}
    assert (output[ran]["cached_from"], output[hit]["cached_from"]) == (None, ran)
    assert output[hit]["sha256"] == output[ran]["sha256"]

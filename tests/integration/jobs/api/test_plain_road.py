"""Plain submits are answered on the event loop, all others by Django, and no app can tell the difference."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils.timezone import now

from jobs.api.plain import road as plain_road
from jobs.db.statement import Statement, execute
from jobs.models import ApiToken, Event, Job, Route
from jobs.models import Client as Tenant
from jobs.services.access import owner
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.reads.job_views import ONE_JOB
from jobs.services.submission.plain_jobs import store_plain
from models_registry import selectors
from models_registry.models import Alias, ModelVersion
from tests.support.factories import make_version
from tests.support.locks import wait_until_a_session_is_blocked
from tests.support.loop_road import LoopRoad
from tests.support.rules import rule, two_versions
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("road", ["loop"], indirect=True)
GOOD = {"model": "echo", "input": {"text": "hello"}}
JOBS = "/api/v1/jobs"
SHARED: Any = {"collapse": True}
_BLOCK = Statement("LOCK TABLE jobs_job IN SHARE MODE")
Post = Callable[..., Any]


@pytest.fixture
def on_django(road: str, loop_server: LoopRoad, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths of the calls that have reached Django."""
    paths: list[str] = []
    threads = loop_server.server._threads
    handler = threads._handler

    def handle(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        paths.append(environ["PATH_INFO"])
        return handler(environ, start)

    monkeypatch.setattr(threads, "_handler", handle)
    return paths


@pytest.mark.parametrize(
    ("job", "headers", "status"),
    [
        (GOOD, {}, 202),
        (GOOD, {"idempotency_key": "a", "prefer": "wait=0"}, 202),
        (GOOD | {"cache": "refresh", "metadata": {"a": 1}, "deadline_s": 5, "priority": 1}, {}, 202),
        (GOOD | {"input": {"text": 5}}, {}, 422),
        (GOOD | {"model": "nobody"}, {}, 404),
        (GOOD | {"colour": "red"}, {}, 400),
        (GOOD | {"idempotency_key": "a"}, {"idempotency_key": "b"}, 422),
        (GOOD | {"input": {"text": {"$part": "a"}}}, {}, 422),
        (GOOD, {"authorization": "Bearer made-up"}, 401),
    ],
)
def test_a_plain_call_stays_on_the_event_loop(
    post: Post, on_django: list[str], job: Any, headers: dict[str, str], status: int
) -> None:
    assert post(job, **headers).status_code == status
    assert on_django == []


@pytest.mark.parametrize(
    ("job", "headers"),
    [
        (GOOD | {"callback_url": "http://127.0.0.1/"}, {}),
        (GOOD | {"input": {"text": "a" * 20_000}}, {}),
        (GOOD | {"input": {"text": {"$upload": "01a22355-bc1f-7a31-8ce4-d92f099269aa"}}}, {}),
        (GOOD | {"model": "shared"}, {}),
        (GOOD | {"model": "secret"}, {}),
        (GOOD | {"model": "about-people", "input": {"name": "Ada"}}, {}),
        (GOOD, {"content_encoding": "gzip"}),
    ],
)
def test_any_other_call_goes_to_django(
    post: Post, on_django: list[str], job: Any, headers: dict[str, str]
) -> None:
    make_version("shared", options={"collapse": True})
    make_version("secret", options={"encrypt": True})
    make_version("about-people", input_schema={"properties": {"name": {"x-subject": True}}})
    post(job, **headers)
    assert on_django == [JOBS]


def test_a_rule_is_followed_on_the_event_loop_where_each_of_its_versions_is_plain(
    post: Post, on_django: list[str]
) -> None:
    two_versions("ruled")
    rule("ruled", sticky="metadata:/user", baseline=True)
    answers = [
        post({"model": "ruled", "input": {}, "metadata": {"user": user}}).json() for user in [*range(30)] * 2
    ]
    assert on_django == []
    assert [answer["version"] for answer in answers[:30]] == [answer["version"] for answer in answers[30:]]
    assert {answer["version"] for answer in answers} == {"1", "2"}
    routes = {str(route.pk): route for route in Route.objects.all()}
    assert {answer["id"] for answer in answers} == set(routes)
    assert all((routes[answer["id"]].arm == "candidate") == (answer["version"] == "2") for answer in answers)
    make_version("ruled", "3", options={"collapse": True})
    rule("ruled", candidate="3", share=0.0)
    selectors.forget()
    assert post({"model": "ruled", "input": {}}).status_code == 202
    assert on_django == [JOBS]


def test_a_client_with_quotas_and_an_ended_job_go_to_django_and_a_token_of_another_scope_does_not(
    post: Post, app: Client, on_django: list[str]
) -> None:
    first = post(GOOD, idempotency_key="k").json()
    cancel_job(job_id=UUID(first["id"]), actor="test")
    again = post(GOOD, idempotency_key="k")
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, first["id"], "cancelled")
    assert on_django == [JOBS]
    ApiToken.objects.update(scopes=["read"])
    owner.forget_owners()
    assert post(GOOD).status_code == 403
    assert on_django == [JOBS]
    ApiToken.objects.update(scopes=["submit"])
    Tenant.objects.update(most_in_flight=5)
    owner.forget_owners()
    assert "RateLimit" in post(GOOD).headers
    assert on_django == [JOBS] * 2


@pytest.mark.parametrize("prefer", ["", "wait=20"])
def test_a_job_whose_commit_was_not_answered_is_no_second_job_although_it_has_ended(
    post: Post, on_django: list[str], monkeypatch: pytest.MonkeyPatch, prefer: str
) -> None:
    calls = list[int]()

    async def stored(session: Any, jobs: Any) -> Any:
        calls.append(len(jobs))
        outcomes = await store_plain(session, jobs)
        if len(calls) > 1:
            return outcomes
        await asyncio.to_thread(_ended, jobs[0].new.id)
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(plain_road, "store_plain", stored)
    answer = post(GOOD, prefer=prefer)
    job = Job.objects.get()
    view = answer.json()
    assert (answer.status_code, view["id"], view["state"]) == (200, str(job.pk), "cancelled")
    assert view["attempts"] == 0
    assert "finished_at" in view
    assert (calls, on_django) == ([1, 1], [])


def _ended(job: UUID) -> None:
    cancel_job(job_id=job, actor="test")
    connection.close()


CALLS: Sequence[tuple[Any, dict[str, str]]] = [
    (GOOD, {}),
    (GOOD, {"prefer": "wait=0", "x_request_id": "mine"}),
    (GOOD, {"idempotency_key": "k"}),
    (GOOD, {"idempotency_key": "k"}),
    (GOOD | {"priority": 1}, {"idempotency_key": "k"}),
    (GOOD, {"idempotency_key": ""}),
    (GOOD, {"accept": "application/octet-stream"}),
    (GOOD | {"encoding": "raw"}, {}),
    (GOOD | {"encoding": "nonsense"}, {}),
    (GOOD | {"input": {"text": 5}}, {}),
    (GOOD | {"model": "nobody"}, {}),
    (GOOD | {"model": "no:such:thing"}, {}),
    (GOOD | {"colour": "red"}, {}),
    (GOOD, {"authorization": "Bearer made-up"}),
    (b"", {}),
    (b'\xef\xbb\xbf{"model":"echo","input":{}}', {}),
    (b"[1]", {"content_type": "text/plain"}),
]


def test_both_roads_give_the_same_answers(post: Post, on_django: list[str], loop_server: LoopRoad) -> None:
    ApiToken.objects.update(scopes=["submit"], expires_at=now() + timedelta(days=1))
    owner.forget_owners()
    on_loop = [_shape(post(job, **headers)) for job, headers in CALLS]
    assert on_django == []
    Job.objects.all().delete()
    owner.forget_owners()  # the door itself refuses a token that is known to be none
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_server.server._plain, "answers", _refuses)
        by_django = [_shape(post(job, **headers)) for job, headers in CALLS]
    assert len(on_django) == len(CALLS)
    assert on_loop == by_django


async def _refuses(*_: object) -> bool:
    return False


def _shape(answer: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return an answer without what differs from call to call."""
    view = answer.json() if answer.content else {}
    new = {"id", "created_at", "urls", "instance"}
    headers = {name.lower(): value for name, value in answer.headers.items()}
    varying = {"location", "content-length"} | (
        {"x-request-id"} if headers["x-request-id"] != "mine" else set()
    )
    return (
        answer.status_code,
        {name: "varies" if name in varying else value for name, value in headers.items()},
        {name: "varies" if name in new else value for name, value in view.items()},
    )


def test_the_audit_has_the_address_and_the_token_of_each_call(post: Post, on_django: list[str]) -> None:
    job = post(GOOD).json()
    event = Event.objects.get(kind="submit")
    token = ApiToken.objects.get()
    assert (str(event.job_id), event.address, event.token, event.actor) == (
        job["id"],
        "127.0.0.1",
        token.pk,
        "client:app",
    )


def test_calls_that_come_while_a_group_is_stored_share_the_next_statement_also_with_one_key(
    post: Post, on_django: list[str], loop_server: LoopRoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(GOOD)
    gathering = loop_server.server._plain._gathering
    sizes, store = list[int](), gathering._store

    async def counted(jobs: Any) -> Any:
        sizes.append(len(jobs))
        return await store(jobs)

    monkeypatch.setattr(gathering, "_store", counted)
    with ThreadPoolExecutor(5) as pool:
        with transaction.atomic():
            execute(_BLOCK)
            first = pool.submit(post, GOOD, x_request_id="first")
            wait_until_a_session_is_blocked()
            same = [pool.submit(post, GOOD, idempotency_key="k") for _ in range(2)]
            other = pool.submit(post, GOOD | {"priority": 1}, idempotency_key="k")
            another = pool.submit(post, GOOD, x_request_id="another")
            wait_until(lambda: len(gathering._waiting) == 4, every_s=0.005)
        answers = [call.result(10) for call in (first, *same, other, another)]
    assert sizes == [1, 4]
    codes = [answer.status_code for answer in answers]
    assert (codes[0], codes[4]) == (202, 202)
    assert sorted(codes[1:4]) in ([202, 202, 409], [202, 409, 409])  # whose row came first has the key
    assert Job.objects.count() == 4
    assert on_django == []
    for name, answer in (("first", answers[0]), ("another", answers[4])):
        assert Event.objects.get(job_id=answer.json()["id"]).detail == {"request_id": name}


def test_with_prefer_wait_the_waiter_is_laid_before_the_commit_and_nothing_is_read(
    post: Post, on_django: list[str], loop_server: LoopRoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = loop_server.server
    gathering, hub = server._plain._gathering, server.hub
    laid, read = list[bool](), list[Any]()
    store, fetch = gathering._store, hub.fetch

    async def stored(jobs: Any) -> Any:
        ids = {job.new.id for job in jobs}
        laid.append(hub._waiters.among(ids) == ids)
        return await store(jobs)

    async def fetched(statement: Any, params: Any) -> Any:
        read.append(statement)
        return await fetch(statement, params)

    monkeypatch.setattr(gathering, "_store", stored)
    monkeypatch.setattr(hub, "fetch", fetched)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, GOOD, prefer="wait=20")
        job = wait_until(Job.objects.first)
        cancel_job(job_id=job.pk, actor="test")
        answer = waiting.result(20)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert laid == [True]
    assert ONE_JOB not in read
    assert not hub._waiters
    assert on_django == []


def test_a_wait_ends_with_its_time_and_a_running_job_of_a_key_is_waited_for_too(
    post: Post, on_django: list[str]
) -> None:
    for _ in range(2):
        answer = post(GOOD, idempotency_key="k", prefer="wait=1")
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")
        assert answer.headers["Preference-Applied"] == "wait=1"
    assert (Job.objects.count(), on_django) == (1, [])


def test_a_revoked_token_works_no_longer_than_it_is_cached_although_it_is_renewed(
    post: Post, road: str
) -> None:
    post(GOOD)
    ApiToken.objects.update(revoked_at=now())
    began = monotonic()
    wait_until(lambda: post(GOOD).status_code == 401, every_s=0.05)
    assert monotonic() - began < owner.CACHED_S + 0.5


def test_a_moved_alias_is_seen_within_the_time_of_the_cache(post: Post, road: str) -> None:
    assert post(GOOD).json()["version"] == "1"
    make_version("echo", version="2")
    Alias.objects.filter(name="default").update(version=ModelVersion.objects.get(version="2"))
    began = monotonic()
    wait_until(lambda: post(GOOD).json()["version"] == "2", every_s=0.05)
    assert monotonic() - began < selectors.CACHED_S + 0.5


def test_while_the_table_is_locked_calls_are_refused_and_work_again_afterwards(
    post: Post, on_django: list[str]
) -> None:
    post(GOOD)
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            execute(_BLOCK)
            answers = [call.result(20) for call in [pool.submit(post, GOOD) for _ in range(2)]]
        assert [answer.status_code for answer in answers] == [503] * 2
        assert all(answer.headers["Retry-After"] == "1" for answer in answers)
    assert json.loads(post(GOOD).content)["state"] == "queued"

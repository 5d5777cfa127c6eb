"""AsyncResult over HTTP says what the one over SQL says, to an app that has a token and nothing else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from celery import Celery
from celery.exceptions import ImproperlyConfigured, TaskRevokedError
from celery.exceptions import TimeoutError as ResultTimeoutError
from celery.result import AsyncResult

from inference_client import PlatformRefusedError
from inference_client.celery_backend import HttpBackend
from inference_client.job_failed import JobFailedError
from jobs.core.states import CELERY_STATES
from tests.unit.inference_client.scripted_platform import ID, URL, Script, view

WITH_TOKEN = "http://:a%20token@platform.test"


def result(*views: dict[str, Any], status: int = 200, task_id: str = ID) -> tuple[AsyncResult, Script]:
    script = Script(*(httpx.Response(status, json=each) for each in views))
    backend = HttpBackend(app=Celery(), url=WITH_TOKEN, transport=httpx.MockTransport(script))
    return AsyncResult(task_id, backend=backend), script


def test_the_token_is_sent_and_shown_nowhere() -> None:
    waited, script = result(view("succeeded", output={"n": 1}))
    assert waited.get(timeout=5) == {"n": 1}
    assert script.requests[0].headers["Authorization"] == "Bearer a token"
    assert waited.backend.as_uri(include_password=True) == URL


@pytest.mark.parametrize(("state", "celery"), CELERY_STATES.items())
def test_each_state_is_to_an_app_what_it_is_to_the_platform(state: str, celery: str) -> None:
    assert result(view(state))[0].state == celery


def test_a_wait_is_a_long_poll_and_ends_with_the_output() -> None:
    waited, script = result(view("queued"), view("running"), view("succeeded", output=[1]))
    assert waited.get(timeout=5) == [1]
    assert [request.url.path.rpartition("/")[2] for request in script.requests] == [ID, "wait", "wait"]


def test_a_dead_job_raises_what_the_other_backend_raises() -> None:
    error = {"kind": "poison", "code": "bad", "detail": "no such word"}
    waited, _ = result(view("dead", error=error))
    with pytest.raises(JobFailedError, match="no such word") as failed:
        waited.get(timeout=5)
    assert (failed.value.kind, failed.value.error_code) == ("poison", "bad")


def test_a_cancelled_job_is_a_revoked_one() -> None:
    waited, _ = result(
        view("cancelled", error={"kind": "cancelled", "code": "cancelled", "detail": "by a call"})
    )
    with pytest.raises(TaskRevokedError, match="cancelled: by a call"):
        waited.get(timeout=5)


def test_a_wait_that_is_too_long_is_celery_s_timeout() -> None:
    waited, _ = result(*[view("queued")] * 5_000)
    with pytest.raises(ResultTimeoutError):
        waited.get(timeout=0.05)


def test_another_client_s_job_is_one_that_never_was() -> None:
    assert result({"status": 404, "code": "job_not_found"}, status=404)[0].state == "PENDING"


@pytest.mark.parametrize(
    "task_id",
    ["../../admin/", "x", f"{ID}/cancel", f"{ID}?x=1"],
    ids=["a path", "a word", "a call", "a query"],
)
def test_what_is_no_id_is_not_asked_for(task_id: str) -> None:
    never, script = result(task_id=task_id)
    assert never.state == "PENDING"
    assert script.requests == []


def test_a_refused_token_is_an_error_and_no_state() -> None:
    refused, _ = result({"status": 401, "code": "unauthenticated"}, status=401)
    with pytest.raises(PlatformRefusedError, match="unauthenticated"):
        _ = refused.state


@pytest.mark.parametrize("url", [None, "https://host", "postgresql://:token@host/db", "https://:token@"])
def test_a_backend_without_address_or_token_is_refused(url: str | None) -> None:
    with pytest.raises(ImproperlyConfigured, match="inference_token"):
        HttpBackend(app=Celery(), url=url)


def test_celery_finds_the_backend_by_its_url_and_the_token_in_a_setting() -> None:
    app = Celery(
        backend="inference_client.celery_backend:HttpBackend+https://inference.example", broker="memory://"
    )
    app.conf.inference_token = "word"
    assert isinstance(app.backend, HttpBackend)
    assert app.backend.as_uri() == "https://inference.example"

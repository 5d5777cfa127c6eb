"""The database role of an app that uses AsyncResult: its own results, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import psycopg
import pytest
from celery import Celery
from celery.result import AsyncResult
from django.conf import settings
from django.core.management import CommandError, call_command

from jobs import result_backend
from jobs.core.errors import PayloadUnreadableError
from jobs.core.states import State
from jobs.db.address import parameters
from jobs.models import DeadLetter, Event, JobResult
from jobs.result_backend import JobFailedError
from tests.support.factories import make_client, make_job

TABLES = ("jobs_job", "jobs_jobinput", "jobs_jobresult", "jobs_deadletter", "jobs_apitoken", "jobs_event")


@pytest.fixture
def url(db: str) -> Iterator[str]:
    make_client("app")
    yield made("app")
    result_backend._engine.cache_clear()
    call_command("create_results_role", "app", "--drop")


def made(*words: str) -> str:
    out = StringIO()
    call_command("create_results_role", *words, stdout=out)
    return out.getvalue().strip()


def result(url: str, job: object) -> AsyncResult:
    app = Celery("app", backend=f"jobs.result_backend:JobBackend+{url}", broker="memory://")
    return AsyncResult(str(job), app=app)


def test_an_app_reads_its_own_results_and_failures(url: str) -> None:
    done, dead = (make_job(state=state, client=make_client("app")) for state in (State.SUCCEEDED, State.DEAD))
    JobResult.objects.filter(job=done).update(body=b'{"text":"mine"}')
    DeadLetter.objects.filter(job=dead).update(message="no such word", traceback="Traceback\nmine")
    assert result(url, done.pk).get(timeout=10) == {"text": "mine"}
    with pytest.raises(JobFailedError, match="no such word"):
        result(url, dead.pk).get(timeout=10)
    assert result(url, dead.pk).traceback is None


def test_an_encrypted_result_is_a_clear_error_without_bytes(url: str) -> None:
    done = make_job(state=State.SUCCEEDED, client=make_client("app"))
    JobResult.objects.filter(job=done).update(body=b"sealed", encoding="aesgcm:k")
    with pytest.raises(PayloadUnreadableError, match="of another release"):
        result(url, done.pk).get(timeout=10)


def test_another_client_s_job_is_one_that_never_was(url: str) -> None:
    for state in (State.SUCCEEDED, State.DEAD, State.CANCELLED):
        other = make_job(state=state, client=make_client("other"))
        assert result(url, other.pk).state == "PENDING"


@pytest.mark.parametrize("table", TABLES)
def test_no_table_is_read_past_the_views_and_none_is_written(url: str, table: str) -> None:
    make_job(state=State.DEAD, client=make_client("other"))
    with psycopg.connect(url, autocommit=True) as app:
        for statement in (f"SELECT 1 FROM public.{table}", f"DELETE FROM public.{table}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute("SET default_transaction_read_only = off").connection.execute(statement)
        if table in {"jobs_job", "jobs_jobresult", "jobs_deadletter"}:
            assert app.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]


def test_a_role_created_again_has_another_password_and_is_audited(url: str) -> None:
    again = made("app")
    psycopg.connect(again).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    events: list[Any] = list(Event.objects.filter(kind="role_create"))
    assert len(events) == 2
    assert all(event.actor.startswith("command") and event.detail["client"] == "app" for event in events)
    assert not any(part in str(events[1].detail) for part in (again, again.split(":")[2].split("@")[0]))


def test_an_unknown_client_has_no_role(db: str) -> None:
    with pytest.raises(CommandError, match="no such client"):
        made("nobody")


def test_the_role_s_url_has_no_login_of_ours(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = "postgresql://admin:one@h1:1,h2:2/n?user=admin&password=two&sslmode=require&application_name=a%20b"
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, database_url=ours))
    make_client("app")
    url = made("app")
    call_command("create_results_role", "app", "--drop")
    parts = parameters(url)
    assert {"one", "two", "admin"}.isdisjoint(map(str, parts.values()))
    assert (parts["host"], parts["port"], parts["sslmode"]) == ("h1,h2", "1,2", "require")
    assert parts["application_name"] == "a b"

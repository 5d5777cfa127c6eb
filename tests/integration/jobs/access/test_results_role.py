"""The database role of an app that uses AsyncResult: its own results, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import StringIO
from typing import Any

import psycopg
import pytest
from celery import Celery
from celery.result import AsyncResult
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from inference_client.job_failed import JobFailedError
from jobs import result_backend
from jobs.core.access.database_rights import DatabaseRole
from jobs.core.errors import PayloadUnreadableError
from jobs.core.retention.partition_sql import TABLES as TABLES_OF_PAYLOADS
from jobs.core.states import State
from jobs.db.address import parameters
from jobs.db.session import open_session
from jobs.models import DeadLetter, Event, JobResult
from jobs.services.retention import partition_statements
from tests.support.database_roles import make_roles
from tests.support.factories import make_client, make_job
from tests.support.partitions import make, window
from tests.support.wait import wait_until

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


FILLING = (
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_put(1, 0, 'x')",
    "SELECT lowrite(0, 'x')",
    "SELECT lo_truncate(0, 1)",
    "SELECT lo_truncate64(0, 1)",
    "SELECT pg_logical_emit_message(true, 'x', 'y')",
    "SELECT pg_logical_emit_message(true, 'x', 'y'::bytea)",
    "CREATE TEMP TABLE mine (n int)",
    "SET temp_file_limit = -1",
)


def refused(app: psycopg.Connection, statement: str) -> bool:
    try:
        app.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    except psycopg.Error:
        return False
    return False


def test_nothing_but_queries_fills_the_disk_and_those_to_a_limit(url: str) -> None:
    make_roles()
    with psycopg.connect(url, autocommit=True) as app:
        app.execute("SET default_transaction_read_only = off")
        assert [statement for statement in FILLING if not refused(app, statement)] == []
        assert app.execute("SHOW temp_file_limit").fetchone() == ("1GB",)


def test_a_role_created_again_has_another_password_and_is_audited(url: str) -> None:
    again = made("app")
    psycopg.connect(again).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    events: list[Any] = list(Event.objects.filter(kind="role_create"))
    assert len(events) == 2
    assert all(event.actor.startswith("command") and event.detail["client"] == "app" for event in events)
    assert not any(part in str(events[1].detail) for part in (again, again.split(":")[2].split("@")[0]))


def test_a_transaction_that_is_left_open_keeps_no_partition(url: str) -> None:
    day = window(3, 27)
    make(day)
    with psycopg.connect(url) as app, closing(open_session()) as session:
        app.execute("SET idle_in_transaction_session_timeout = 0")
        app.execute("SELECT count(*) FROM jobs_jobresult")

        def dropped() -> bool:
            try:
                with partition_statements.without(session, day, TABLES_OF_PAYLOADS):
                    return True
            except partition_statements.BusyError:
                return False

        assert not dropped()
        wait_until(dropped, limit_s=20)
        with pytest.raises(psycopg.OperationalError):
            app.execute("SELECT 1")


def test_the_command_says_whom_to_trust_and_which_login_it_needs(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_client("app")
    told = StringIO()
    call_command("create_results_role", "app", stdout=StringIO(), stderr=told)
    assert "trusted apps alone" in told.getvalue()
    call_command("create_results_role", "app", "--drop")
    make_roles()
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(DatabaseRole.RUNTIME)))
        try:
            with pytest.raises(CommandError, match="DATABASE_URL of the superuser"):
                made("app")
        finally:
            cursor.execute("RESET ROLE")


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

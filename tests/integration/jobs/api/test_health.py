"""Readiness says whether a job could be stored now; lost connections cost no page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import close_old_connections, connection
from django.test import Client
from psycopg import sql

from jobs.core.access.scopes import Scope
from jobs.core.errors import DatabaseUnusableError
from jobs.models import QueueStanding
from jobs.services.access.tokens import create_token
from tests.support.admin import browser_of
from tests.support.connections import end_connections
from tests.support.factories import make_worker

PAGES = ("/admin/", "/admin/jobs/job/", "/admin/jobs/batch/", "/admin/jobs/worker/")


@pytest.fixture
def read_only(db: str) -> Iterator[None]:
    """Make every transaction of the role read-only, as a provider does whose disk is full."""
    with psycopg.connect(db, autocommit=True) as operator:
        role = sql.Identifier(operator.info.user)
        operator.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
        connection.close()
        yield
        operator.execute("SET default_transaction_read_only = off")
        operator.execute(sql.SQL("ALTER ROLE {} RESET default_transaction_read_only").format(role))


def test_a_database_that_takes_writes_is_ready_and_says_how_safe_they_are(echo: None) -> None:
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "synchronous_replication": False})


def test_live_workers_are_listed_with_their_zone_and_the_uuid_of_their_gpu(echo: None) -> None:
    make_worker("gpu-0@here", device="cuda:0", device_uuid="GPU-1", zone="eu-1a")
    make_worker("gpu-1@here")
    token = create_token(client="operators", scopes=[Scope.ADMIN])
    answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/workers")
    rows = [(row["node"], row["zone"], row["device_uuid"]) for row in answer.json()["workers"]]
    assert rows == [("gpu-0@here", "eu-1a", "GPU-1"), ("gpu-1@here", None, None)]


def test_metrics_name_clients_so_the_api_s_port_shows_none_unless_the_operator_says_so(
    echo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Client().get("/metrics").status_code == 404
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, metrics_on_api=True))
    QueueStanding.objects.create(model="echo", waiting=[2] * 10, head_age_s=[1.0] * 10)
    answer = Client().get("/metrics")
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    assert 'inference_queue_jobs{model="echo",priority="9"} 2.0' in answer.text
    assert Client().post("/metrics").status_code == 405


def test_a_read_only_database_is_not_ready_and_takes_no_job(token: str, read_only: None, post: Any) -> None:
    ready = Client().get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "unavailable")
    assert "read-only" in ready.json()["detail"]
    refused = post({"model": "echo", "input": {"text": "x"}})
    assert (refused.status_code, refused.json()["code"], "Retry-After" in refused.headers) == (
        503,
        "unavailable",
        True,
    )


def test_the_connection_to_a_server_that_became_read_only_is_not_kept(
    token: str, read_only: None, post: Any, db: str
) -> None:
    assert post({"model": "echo", "input": {"text": "x"}}).status_code == 503
    with psycopg.connect(db, autocommit=True) as operator:
        operator.execute("SET default_transaction_read_only = off")
        role = sql.Identifier(operator.info.user)
        operator.execute(sql.SQL("ALTER ROLE {} RESET default_transaction_read_only").format(role))
    assert post({"model": "echo", "input": {"text": "x"}}).status_code == 202


def test_a_database_that_cannot_be_used_is_not_ready_and_says_what_to_set(
    echo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise DatabaseUnusableError("Set DATABASE_DIRECT_URL to Postgres itself.")

    monkeypatch.setattr("jobs.api.routes.health.check_database", refuse)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unusable")


def test_a_connection_that_was_ended_while_idle_costs_no_page(db: str, echo: None) -> None:
    operator = browser_of("view_job", "view_batch", "view_worker")
    for path in PAGES:
        end_connections(db, forget=False)
        close_old_connections()  # as each request begins, but not one of a test's client
        assert operator.get(path).status_code == 200

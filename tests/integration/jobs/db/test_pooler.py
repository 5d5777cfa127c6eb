"""Behind pgbouncer, which most managed Postgres has in front: it works, or says what to set."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from django.db import connection as django_connection
from django.db import connections as wrappers
from django.db.transaction import atomic
from psycopg import sql

from inference_site.stack.services import PROJECT
from jobs.core.errors import DatabaseUnusableError
from jobs.db import connections, preflight
from jobs.db.session_settings import Use
from jobs.db.statement import Statement, fetch_all
from tests.support.connections import end_connections
from tests.support.pgbouncer import pgbouncer

_LIMITS = Statement(
    "SELECT current_setting('lock_timeout') || ',' || current_setting('idle_in_transaction_session_timeout')",
    str,
)


@pytest.fixture
def session_mode(db: str, tmp_path: Path) -> Iterator[str]:
    with pgbouncer(db, "session", tmp_path) as url:
        yield url


@pytest.fixture
def transaction_mode(db: str, tmp_path: Path) -> Iterator[str]:
    with pgbouncer(db, "transaction", tmp_path) as url:
        yield url


def configure(monkeypatch: pytest.MonkeyPatch, url: str, *, direct: str = "") -> None:
    """Let this process use these URLs, as if it had been started with them."""
    from dataclasses import replace

    from django.conf import settings

    config = replace(settings.INFERENCE, database_url=url, database_direct_url=direct)
    monkeypatch.setattr(settings, "INFERENCE", config)


def test_session_mode_is_as_good_as_none(session_mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, session_mode)
    preflight.check_database.__wrapped__()
    with connections.connect("test", Use.BULK) as connection:
        assert shown(connection)["DateStyle"] == "ISO, MDY"


def test_transaction_mode_without_a_direct_url_is_refused_with_what_to_set(
    transaction_mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, transaction_mode)
    with pytest.raises(DatabaseUnusableError, match=r"^DATABASE_URL leads .* Set DATABASE_DIRECT_URL"):
        preflight.check_database.__wrapped__()


def test_a_direct_url_that_leads_through_the_pooler_too_is_refused(
    transaction_mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, transaction_mode, direct=transaction_mode)
    with pytest.raises(DatabaseUnusableError, match=r"^DATABASE_DIRECT_URL leads"):
        preflight.check_database.__wrapped__()


def test_transaction_mode_with_a_direct_url_is_taken(
    transaction_mode: str, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, transaction_mode, direct=db)
    preflight.check_database.__wrapped__()


def test_a_role_whose_settings_no_pooled_session_can_change_is_refused_with_the_statements(
    transaction_mode: str, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, transaction_mode, direct=db)
    alter(db, "SET bytea_output = 'escape'")
    end_connections(db)
    try:
        with pytest.raises(DatabaseUnusableError, match="ALTER ROLE … SET bytea_output = 'hex'"):
            preflight.check_database.__wrapped__()
    finally:
        alter(db, "RESET ALL")


def alter(db: str, change: LiteralString) -> None:
    with psycopg.connect(db, autocommit=True) as operator:
        role = sql.Identifier(operator.info.user)
        operator.execute(sql.SQL("ALTER ROLE {} ").format(role) + sql.SQL(change))


def shown(connection: psycopg.Connection[Any]) -> dict[str, str]:
    return dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())


def test_a_request_s_transaction_has_its_limits_behind_a_pooler_and_leaves_none(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    django_connection.close()
    configure(monkeypatch, db, direct=db)
    for _ in range(2):
        with atomic():
            assert fetch_all(_LIMITS) == ["1s,10s"]
        assert fetch_all(_LIMITS) == ["0,0"]
        django_connection.close()


@pytest.fixture(autouse=True)
def own_connection() -> Iterator[None]:
    yield
    django_connection.close()
    vars(wrappers["default"]).pop("set_autocommit", None)


@pytest.mark.parametrize("command", [["relay"], ["gpu_worker", "--cpu", "--models", "echo"]])
def test_a_process_behind_a_pooler_that_nobody_named_ends_with_the_sentence(
    transaction_mode: str, command: list[str]
) -> None:
    words = [sys.executable, "manage.py", *command]
    env = os.environ | {"DATABASE_URL": transaction_mode, "METRICS_PORT": "0"}
    ended = subprocess.run(
        words, env=env, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "Set DATABASE_DIRECT_URL to Postgres itself" in ended.stderr

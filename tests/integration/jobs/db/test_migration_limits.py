"""A migration may take its time, but does not hold everybody up while it waits for a lock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models.signals import pre_migrate

SHOW = "SELECT name, setting FROM pg_settings WHERE name LIKE '%_timeout'"


@pytest.fixture
def behind_a_pooler(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process believe that its sessions are shared; they begin as the server makes them."""
    connection.close()
    config = replace(settings.INFERENCE, database_direct_url=db)
    monkeypatch.setattr(settings, "INFERENCE", config)
    yield
    connection.close()


def shown() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(SHOW)
        return dict(cursor.fetchall())


def test_a_migration_has_no_limit_but_that_of_its_locks(db: str) -> None:
    connection.close()
    assert shown()["statement_timeout"] == "60000"
    pre_migrate.send(apps.get_app_config("jobs"), using="default")
    limits = shown()
    assert {limits[name] for name in ("statement_timeout", "idle_in_transaction_session_timeout")} == {"0"}
    assert limits.get("transaction_timeout", "0") == "0"
    assert limits["lock_timeout"] == "200"


def test_a_migration_behind_a_pooler_changes_no_session_and_has_no_limit(behind_a_pooler: None) -> None:
    with transaction.atomic():
        assert shown()["statement_timeout"] == "60000", "a request's transaction has its limits"
    before = shown()
    pre_migrate.send(apps.get_app_config("jobs"), using="default")
    assert shown() == before
    with transaction.atomic():
        assert shown()["statement_timeout"] == "0"

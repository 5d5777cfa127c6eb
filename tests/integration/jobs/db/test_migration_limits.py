"""A migration may take its time, but does not hold everybody up while it waits for a lock."""

from __future__ import annotations

from django.apps import apps
from django.db import connection
from django.db.models.signals import pre_migrate

SHOW = "SELECT name, setting FROM pg_settings WHERE name LIKE '%_timeout'"


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
    assert limits["lock_timeout"] == "10000"

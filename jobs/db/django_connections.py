"""Django's connections get the same pinned settings as all others; a migration may take its time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connections as wrappers
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.backends.signals import connection_created
from django.db.migrations.migration import Migration
from django.db.models.signals import pre_migrate

from jobs.db import connections
from jobs.db.burst_schema_editor import MIGRATION_LOCK_TIMEOUT, BurstSchemaEditor, may_burst
from jobs.db.session_settings import TIMES, Use, setting


def register() -> None:
    """Pin each new connection of Django's from now on."""
    connection_created.connect(_pin, dispatch_uid="jobs.pin")
    pre_migrate.connect(_lift_limits, dispatch_uid="jobs.lift_limits")


def _pin(connection: DatabaseWrapper, **_kwargs: Any) -> None:
    if connection.vendor != "postgresql":
        return
    connections.pin(connection.connection, Use.WEB)
    if connections.pooled() and "set_autocommit" not in vars(connection):
        vars(connection)["set_autocommit"] = partial(_set_autocommit, connection, connection.set_autocommit)


def _set_autocommit(
    connection: DatabaseWrapper, set_autocommit: Callable[..., None], autocommit: Any, **kwargs: Any
) -> None:
    """Begin or end a transaction as Django does, and give one that begins behind a pooler its limits."""
    set_autocommit(autocommit, **kwargs)
    if autocommit or connection.connection is None:
        return
    try:
        with connection.wrap_database_errors:
            connections.pin_transaction(connection.connection, Use.WEB)
    except Exception:
        connection.close()  # no transaction has begun for Django, so nothing would end this one
        raise


def _lift_limits(using: str, **_kwargs: Any) -> None:
    wrapper = wrappers[using]
    wrapper.ensure_connection()
    if connections.pooled():  # a session's settings would become those of others; its transactions get none
        vars(wrapper).pop("set_autocommit", None)
        return
    version = wrapper.connection.info.server_version
    lifted = {name: "0" for name, since in TIMES.items() if version >= since}
    wrapper.connection.execute(*setting({**lifted, "lock_timeout": MIGRATION_LOCK_TIMEOUT}))


def prepare_for(migration: Migration, *, using: str) -> None:
    """Let the next migration hold its locks for an instant, and wait for none that others wait behind.

    One without a transaction waits for as long as it takes: CREATE INDEX CONCURRENTLY locks out no other.
    """
    wrapper = wrappers[using]
    editor = BurstSchemaEditor if may_burst(migration) else DatabaseSchemaEditor
    vars(wrapper)["SchemaEditorClass"] = editor
    if not connections.pooled():
        wrapper.ensure_connection()
        timeout = MIGRATION_LOCK_TIMEOUT if migration.atomic else "0"
        wrapper.connection.execute(*setting({"lock_timeout": timeout}))

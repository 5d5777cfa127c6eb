"""Every connection to Postgres of this project is opened here, whatever driver or framework uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from django.conf import settings

from jobs.db.address import parameters
from jobs.db.session_settings import Use, pinned, setting

PREPARE_AFTER = 1  # calls


def pooled() -> bool:
    """Return whether DATABASE_URL leads through a pooler whose sessions hold no settings and hear nothing."""
    return bool(settings.INFERENCE.database_direct_url)


def prepares() -> bool:
    """Return whether statements may be prepared on the server."""
    choice = settings.INFERENCE.database_prepare
    return not pooled() if choice == "auto" else choice == "on"


def options(name: str, *, direct: bool = False) -> dict[str, Any]:
    """Return psycopg's parameters for a connection named `name`; `direct` goes past a pooler.

    A statement is prepared at its second call: most run thousands of times, and planning costs more. One that
    runs once, a script of several, need not be one that can be prepared.
    """
    config = settings.INFERENCE
    url = (config.database_direct_url or config.database_url) if direct else config.database_url
    prepare = PREPARE_AFTER if direct or prepares() else None
    return {**parameters(url), "application_name": name, "prepare_threshold": prepare}


def connect(name: str, use: Use, *, direct: bool = False) -> psycopg.Connection[Any]:
    """Return a new autocommit connection with the settings of its use; psycopg.OperationalError."""
    return _opened(options(name, direct=direct), lambda connection: pin(connection, use, direct=direct))


def connect_to(url: str, name: str, use: Use) -> psycopg.Connection[Any]:
    """Do the same for another URL, that of an app that reads results; its schema is its role's."""
    return _opened(
        {**parameters(url), "application_name": name},
        lambda connection: _set(connection, _settings(connection, use, schema="")),
    )


def _opened(
    options: dict[str, Any], prepare: Callable[[psycopg.Connection[Any]], None]
) -> psycopg.Connection[Any]:
    connection: psycopg.Connection[Any] = psycopg.Connection.connect(**options, autocommit=True)
    try:
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def pin(connection: psycopg.Connection[Any], use: Use, *, direct: bool = False) -> None:
    """Give an autocommit connection the settings of its use, unless a pooler would give them to others."""
    if direct or not pooled():
        _set(connection, _settings(connection, use))


async def pin_async(
    connection: psycopg.AsyncConnection[Any], *, use: Use = Use.READ, direct: bool = False
) -> None:
    """Do the same for a connection of the event loop."""
    if direct or not pooled():
        await connection.execute(*setting(_settings(connection, use)), prepare=False)


def pin_transaction(connection: psycopg.Connection[Any], use: Use) -> None:
    """Behind a pooler, where no session has settings, give them to the transaction that begins."""
    if pooled():
        _set(connection, _settings(connection, use), local=True)


def _set(connection: psycopg.Connection[Any], values: Mapping[str, str], *, local: bool = False) -> None:
    # Behind a pooler that is not known to be one yet, a prepared statement fails in words that help nobody.
    connection.execute(*setting(values, local=local), prepare=False)


def _settings(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], use: Use, *, schema: str | None = None
) -> dict[str, str]:
    schema = settings.INFERENCE.database_schema if schema is None else schema
    return pinned(use, schema=schema, server_version=connection.info.server_version)

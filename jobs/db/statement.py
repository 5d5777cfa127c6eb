"""Statements on this thread's Django connection, prepared on the server, repeated after a lost connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from django.db import OperationalError, connection

from jobs.core.errors import UnavailableError

Row = tuple[Any, ...]
Params = Sequence[Any] | Mapping[str, Any]
Answer = TypeVar("Answer")
_LOST = ("57P", "08")  # the SQLSTATE classes of a server that went away, or of its connection


def fetch_all(statement: LiteralString, params: Params = ()) -> list[Row]:
    """Run one statement that is safe to run twice and return its rows, or UnavailableError."""
    return once_more(lambda: _run(statement, params))


def once_more(work: Callable[[], Answer]) -> Answer:
    """Do database work that is safe to do twice, again on a new connection where the old one was lost.

    UnavailableError where that fails too, or where the server refuses the work.
    """
    try:
        return work()
    except OperationalError as error:
        if connection.in_atomic_block or not _is_lost(error):
            raise UnavailableError("The database cannot take this request now.") from error
    connection.close()
    try:
        return work()
    except OperationalError as error:
        raise UnavailableError("The database does not answer.") from error


def storable(text: str) -> bool:
    """Say whether a row could hold this text, and so be found by it: Postgres takes no NUL."""
    return "\0" not in text


def execute(statement: LiteralString, params: Params = ()) -> list[Row]:
    """Run one statement of an open transaction and return its rows."""
    return _run(statement, params)


def _run(statement: LiteralString, params: Params) -> list[Row]:
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    raw.prepare_threshold = 0  # Django turns server-side preparation off
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.execute(statement, params, binary=True)
        return cursor.fetchall() if cursor.description else []


def _is_lost(error: OperationalError) -> bool:
    cause = error.__cause__
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return state is None or state.startswith(_LOST)

"""Being replaced by `jobs.db.statement`, a file at a time: statements whose rows are read by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from django.db import connection

from jobs.db.statement import once_more, storable

__all__ = ["Params", "Row", "execute", "fetch_all", "once_more", "storable"]
Row = tuple[Any, ...]
Params = Sequence[Any] | Mapping[str, Any]


def fetch_all(statement: LiteralString, params: Params = ()) -> list[Row]:
    """Run one statement that is safe to run twice and return its rows, or UnavailableError."""
    return once_more(lambda: _run(statement, params))


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

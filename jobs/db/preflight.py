"""Whether the database can be worked with as it is configured; a process that cannot says what to set.

Behind a pooler in transaction mode, statements of one connection run on changing server sessions: what a
session listens for is lost, and its settings become those of others. That is found by asking, on two
connections that are open at once, which server process answers.
"""

from __future__ import annotations

from functools import cache
from typing import Any, LiteralString

import psycopg
from django.conf import settings
from psycopg.rows import scalar_row

from jobs.core.errors import DatabaseUnusableError
from jobs.db import connections
from jobs.db.session_settings import meaning

ROUNDS = 4
_PID: LiteralString = "SELECT pg_backend_pid()"
_SHOWN: LiteralString = """
SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s::text[])
UNION ALL SELECT 'search_path', COALESCE(current_schema(), '')
"""
POOLED = (
    "{name} leads through a pooler in transaction mode, where a session hears no notification and keeps no "
    "setting. Set DATABASE_DIRECT_URL to Postgres itself, or let the pooler work in session mode."
)


@cache
def check_database() -> None:
    """Look at the database, once a process; DatabaseUnusableError, or psycopg.Error where it is away."""
    name = "DATABASE_DIRECT_URL" if connections.pooled() else "DATABASE_URL"
    # A prepared statement would fail behind such a pooler before it can be noticed.
    if _changes_sessions({**connections.options("preflight", direct=True), "prepare_threshold": None}):
        raise DatabaseUnusableError(POOLED.format(name=name))
    if connections.pooled() and (unlike := _unlike()):
        alter = "; ".join(f"ALTER ROLE … SET {name} = '{value}'" for name, value in sorted(unlike.items()))
        raise DatabaseUnusableError(
            "Behind a pooler in transaction mode the database user itself must have the settings that this "
            f"project relies on: {alter}."
        )


def _changes_sessions(options: dict[str, Any]) -> bool:
    with (
        psycopg.connect(**options, autocommit=True) as one,
        psycopg.connect(**options, autocommit=True) as other,
    ):
        answers = [{_pid(one)}, {_pid(other)}]
        for _ in range(ROUNDS):
            answers[0].add(_pid(one))
            answers[1].add(_pid(other))
    return len(answers[0]) > 1 or len(answers[1]) > 1 or answers[0] == answers[1]


def _pid(connection: psycopg.Connection[Any]) -> int:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(_PID).fetchone() or 0)


def _unlike() -> dict[str, str]:
    """Return the settings that a statement would not have through the pooler, by name."""
    wanted = {**meaning(), "search_path": settings.INFERENCE.database_schema}
    with psycopg.connect(**connections.options("preflight"), autocommit=True) as connection:
        shown = dict(connection.execute(_SHOWN, {"names": list(wanted)}, prepare=False).fetchall())
    return {name: value for name, value in wanted.items() if shown.get(name) != value}

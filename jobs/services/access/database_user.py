"""Who this process is to Postgres: a name that the server has checked, unlike one that a message carries."""

from __future__ import annotations

from jobs.db.statement import Statement, fetch_all

_USER = Statement("SELECT session_user::text", str)


def database_user() -> str:
    """Return the login of this thread's connection."""
    return fetch_all(_USER)[0]

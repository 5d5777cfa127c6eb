"""The locks that sessions of the test's database wait for."""

from __future__ import annotations

from django.db import connection

from tests.support.wait import wait_until

OFTEN_S = 0.005  # some sessions give up after a moment


def wait_until_a_session_is_blocked(sessions: int = 1) -> None:
    """Wait until so many sessions wait for locks that others hold."""
    wait_until(
        lambda: _blocked() >= sessions, every_s=OFTEN_S, what=f"{sessions} sessions that wait for a lock"
    )


def _blocked() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE NOT granted")
        return len(cursor.fetchall())

"""The locks that sessions of the test's database wait for."""

from __future__ import annotations

from django.db import connection

from tests.support.wait import wait_until

OFTEN_S = 0.005  # some sessions give up after a moment


def wait_until_a_session_is_blocked() -> None:
    """Wait until some session waits for a lock that another one holds."""
    wait_until(_is_one_blocked, every_s=OFTEN_S, what="a session that waits for a lock")


def _is_one_blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchall())

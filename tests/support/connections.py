"""End every other connection to the test's database, as a restart of the server does."""

from __future__ import annotations

import psycopg
from django.db import connection

from jobs.db.engine import engine

END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


def end_connections(db: str, *, forget: bool = True) -> None:
    """End them on the server's side; `forget` those of this process too, so that no later test meets them."""
    with psycopg.connect(db, autocommit=True) as operator:
        operator.execute(END_OTHERS)
    engine().dispose()
    if forget:
        connection.close()

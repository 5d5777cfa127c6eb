"""A connection that is a process's own: autocommit, outside the pool, with what bulk readers want set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import psycopg
import sqlalchemy as sa

from jobs.db.engine import engine

# A host that vanishes must not keep its locks for long.
_SETTINGS = """
SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
SET statement_timeout = '30s'
"""


def open_session() -> sa.Connection:
    """Return a new autocommit connection; the caller closes it."""
    connection = engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()
    connection.exec_driver_sql(_SETTINGS)
    return connection


@contextmanager
def transaction(session: sa.Connection) -> Iterator[None]:
    """Hold one transaction on an autocommit session; the driver's own, which the session cannot see."""
    with driver(session).transaction():
        yield


def driver(session: sa.Connection) -> psycopg.Connection:
    """Return the session's psycopg connection."""
    return cast(psycopg.Connection, session.connection.dbapi_connection)

"""A process's own session: autocommit, outside the pool and past a pooler, with the settings of its use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import cast

import psycopg
import sqlalchemy as sa

from jobs.db import connections
from jobs.db.session_settings import Use


def open_session(use: Use = Use.LOOP) -> sa.Connection:
    """Return a new autocommit connection to Postgres itself; the caller closes it."""
    return _engine(use).connect()


@cache
def _engine(use: Use) -> sa.Engine:
    return sa.create_engine(
        "postgresql+psycopg://",
        poolclass=sa.NullPool,
        creator=lambda: connections.connect(f"jobs-{use}", use, direct=True),
        isolation_level="AUTOCOMMIT",
    )


@contextmanager
def transaction(session: sa.Connection) -> Iterator[None]:
    """Hold one transaction on an autocommit session; the driver's own, which the session cannot see."""
    with driver(session).transaction():
        yield


def driver(session: sa.Connection) -> psycopg.Connection:
    """Return the session's psycopg connection."""
    return cast(psycopg.Connection, session.connection.dbapi_connection)

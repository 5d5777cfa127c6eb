"""One SQLAlchemy engine a process, for the processes that move jobs in bulk: relay and workers."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

import psycopg
import sqlalchemy as sa

from jobs.db import connections
from jobs.db.session_settings import Use

POOL_SIZE = 8
_MAKING = Lock()


@cache
def engine() -> sa.Engine:
    """Return the process's engine: psycopg 3 connections with the settings of bulk work."""
    with _MAKING:  # a cache lets threads that ask first at the same time make one each, and keeps the last
        return _made()


@cache
def _made() -> sa.Engine:
    made = sa.create_engine(
        "postgresql+psycopg://", pool_size=POOL_SIZE, pool_pre_ping=False, creator=_connect
    )
    sa.event.listen(made, "begin", _begin)
    return made


def _connect() -> psycopg.Connection[Any]:
    connection = connections.connect("jobs", Use.BULK)
    connection.autocommit = False
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


def _begin(connection: sa.Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    if not raw.autocommit:
        connections.pin_transaction(raw, Use.BULK)

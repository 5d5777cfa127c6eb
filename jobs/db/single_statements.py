"""A thread's own connection for statements that each commit by themselves.

A transaction around one statement costs two more round trips, and a pool's check-out, reset and description
of the columns cost as much CPU again. Where the connection is lost, nobody knows whether the statement was
done: a lost COMMIT leaves the same open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa

from jobs.db import connections
from jobs.db.session_settings import Use
from jobs.db.statement import Session


class SingleStatements:
    """One thread's statements of bulk work; the connection is kept until one of them fails.

    Behind a pooler each is in a transaction of `engine`, because only there it has its limits.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._kept: psycopg.Connection[Any] | None = None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Lend the connection for one statement."""
        if connections.pooled():
            with self._engine.begin() as transaction:
                yield transaction
            return
        try:
            if self._kept is None:
                self._kept = connections.connect("jobs", Use.BULK)
            yield self._kept
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection, which may be broken or read-only; the next statement gets a new one."""
        connection, self._kept = self._kept, None
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        """Close the connection: psycopg warns of one that is forgotten."""
        self.close()

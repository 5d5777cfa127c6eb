"""The partitions of payloads as the database has them, made, listed and dropped; never at others' cost.

Whoever changes a partition needs for a moment a lock that nobody else has on its class. Waiting for it
behind a long reader would hold everybody up who comes after, so the patience here is short: BusyError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from jobs.core.retention import partition_sql
from jobs.core.retention.partition_sql import TABLES
from jobs.core.retention.policy import Window, window_of
from jobs.db.session import transaction
from jobs.db.tables import EVENT

LOCK_TIMEOUT_MS = 200
_BUSY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.QueryCanceled,
    psycopg.errors.CheckViolation,  # of an attach: a row came into the default partition just then
    psycopg.errors.DuplicateTable,  # somebody else makes it
)

_LEAVES = sa.text("""
SELECT root.relname AS table, substring(class.relname FROM '_k(\\d+)$')::int AS keep_days,
  pg_get_expr(leaf.relpartbound, leaf.oid) AS bounds, GREATEST(leaf.reltuples, 0)::bigint AS rows,
  pg_total_relation_size(leaf.oid) AS bytes
FROM pg_class root
JOIN pg_inherits above ON above.inhparent = root.oid JOIN pg_class class ON class.oid = above.inhrelid
JOIN pg_inherits below ON below.inhparent = class.oid JOIN pg_class leaf ON leaf.oid = below.inhrelid
WHERE root.oid = ANY(CAST(CAST(:tables AS text[]) AS regclass[])) AND class.relkind = 'p'
""")
_CLASSES = sa.text("""
SELECT substring(class.relname FROM '_k(\\d+)$')::int FROM pg_inherits above
JOIN pg_class class ON class.oid = above.inhrelid
WHERE above.inhparent = CAST(:table AS regclass) AND class.relkind = 'p'
""")
_PATIENCE = sa.text("SELECT set_config('lock_timeout', :patience, true)")


class BusyError(Exception):
    """Others use the tables: nothing was changed, try again later."""


class StillNeededError(Exception):
    """So many jobs of a window have not ended that it stays: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One table's partition of a window; `rows` is the last estimate, `bytes` counts its index too."""

    table: str
    window: Window
    rows: int
    bytes: int


def leaves(connection: sa.Connection) -> list[Leaf]:
    """Return every partition of a window, default ones left out."""
    found = connection.execute(_LEAVES, {"tables": list(TABLES)}).all()
    read = ((row, window_of(row.keep_days, row.bounds)) for row in found)
    return [Leaf(row.table, window, row.rows, row.bytes) for row, window in read if window]


def classes(connection: sa.Connection, table: str) -> set[int]:
    """Return the classes of a table."""
    return set(connection.scalars(_CLASSES, {"table": table}))


def make_class(connection: sa.Connection, table: str, keep_days: int, windows: Iterable[Window]) -> None:
    """Make a class with its windows, or BusyError."""
    _run(connection, partition_sql.make_class(table, keep_days, windows))


def make_window(connection: sa.Connection, table: str, window: Window) -> None:
    """Make a window of a class that is there, or BusyError."""
    _run(connection, partition_sql.make_window(table, window))


@contextmanager
def without(connection: sa.Connection, window: Window, tables: Iterable[str]) -> Iterator[None]:
    """Hold a transaction in which the window has no partition in `tables`; its rows go with the end.

    What the block keeps is put back by `keep`. BusyError, and whatever the block raises, leave all as it was.
    """
    with _brief(connection):
        for table in tables:
            connection.exec_driver_sql(partition_sql.detach(table, window))
        yield
        for table in tables:
            connection.exec_driver_sql(f"DROP TABLE {table}{window.suffix}")


def keep(connection: sa.Connection, window: Window, table: str, jobs: list[UUID]) -> int:
    """Put rows of these jobs, from a window's detached partition, back into its class; return how many."""
    kept = partition_sql.class_of(table, window.keep_days)
    moved = sa.text(f"INSERT INTO {kept} SELECT * FROM {table}{window.suffix} WHERE job_id = ANY(:jobs)")  # noqa: S608  # our own names
    return connection.execute(moved, {"jobs": jobs}).rowcount if jobs else 0


def note(connection: sa.Connection, *, kind: str, actor: str, detail: dict[str, Any]) -> None:
    """Append an Event of what was done, in the open transaction."""
    connection.execute(sa.insert(EVENT), {"kind": kind, "actor": actor, "detail": detail})


def _run(connection: sa.Connection, statements: Iterable[str]) -> None:
    with _brief(connection):
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def _brief(connection: sa.Connection) -> Iterator[None]:
    try:
        with transaction(connection):
            connection.execute(_PATIENCE, {"patience": f"{LOCK_TIMEOUT_MS}ms"})
            yield
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, _BUSY):
            raise BusyError(str(error.orig).splitlines()[0]) from error
        raise

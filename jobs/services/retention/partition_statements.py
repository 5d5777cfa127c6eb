"""The partitions of payloads in the database: list, make and drop them without delaying anything else.

A change of a partition needs, for a moment, an exclusive lock on its class. Waiting for it behind a long
reader would delay all later readers and writers, so the lock timeout here is short: BusyError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import psycopg
import sqlalchemy as sa

from jobs.core.retention import partition_sql
from jobs.core.retention.partition_sql import TABLES
from jobs.core.retention.policy import Window, window_of
from jobs.db.session import transaction
from jobs.db.statement import Statement, count, run

LOCK_TIMEOUT_MS = 200
_BUSY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.QueryCanceled,
    psycopg.errors.CheckViolation,  # of an attach: a row came into the default partition at that moment
    psycopg.errors.DuplicateTable,  # another process makes it
)


class _LeafRow(NamedTuple):
    table: str
    keep_days: int
    bounds: str
    rows: int
    bytes: int


_LEAVES = Statement(
    """
SELECT root.relname AS table, substring(class.relname FROM '_k(\\d+)$')::int AS keep_days,
  pg_get_expr(leaf.relpartbound, leaf.oid) AS bounds, GREATEST(leaf.reltuples, 0)::bigint AS rows,
  pg_total_relation_size(leaf.oid) AS bytes
FROM pg_class root
JOIN pg_inherits above ON above.inhparent = root.oid JOIN pg_class class ON class.oid = above.inhrelid
JOIN pg_inherits below ON below.inhparent = class.oid JOIN pg_class leaf ON leaf.oid = below.inhrelid
WHERE root.oid = ANY(%(tables)s::text[]::regclass[]) AND class.relkind = 'p'
""",
    _LeafRow,
)
_CLASSES = Statement(
    """
SELECT substring(class.relname FROM '_k(\\d+)$')::int FROM pg_inherits above
JOIN pg_class class ON class.oid = above.inhrelid
WHERE above.inhparent = %(table)s::text::regclass AND class.relkind = 'p'
""",
    int,
)
# Functions of the tables' owner, because this process's role owns none.
_MAKE_CLASS: Statement[None] = Statement("""
SELECT jobs_make_class(%(table)s, %(keep_days)s, %(suffixes)s::text[], %(firsts)s::uuid[], %(ends)s::uuid[])
""")
_MAKE_WINDOW: Statement[None] = Statement("""
SELECT jobs_make_window(%(table)s, %(keep_days)s, %(suffix)s, %(first)s, %(past)s)
""")
_DETACH_WINDOW: Statement[None] = Statement("SELECT jobs_detach_window(%(table)s, %(keep_days)s, %(suffix)s)")
_DROP_WINDOW: Statement[None] = Statement("SELECT jobs_drop_window(%(table)s, %(keep_days)s, %(suffix)s)")
_PATIENCE = Statement("SELECT set_config('lock_timeout', %(patience)s, true)", str)


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


def leaves(session: sa.Connection) -> list[Leaf]:
    """Return every partition of a window, without the default ones."""
    rows = run(session, _LEAVES, {"tables": list(TABLES)})
    windows = ((row, window_of(row.keep_days, row.bounds)) for row in rows)
    return [Leaf(row.table, window, row.rows, row.bytes) for row, window in windows if window]


def classes(session: sa.Connection, table: str) -> set[int]:
    """Return the classes of a table."""
    return set(run(session, _CLASSES, {"table": table}))


def make_class(session: sa.Connection, table: str, keep_days: int, windows: Iterable[Window]) -> None:
    """Make a class with its windows, or BusyError."""
    made = list(windows)
    bounds = {
        "suffixes": [window.suffix for window in made],
        "firsts": [window.first_id for window in made],
        "ends": [window.end_id for window in made],
    }
    with _brief(session):
        run(session, _MAKE_CLASS, {"table": table, "keep_days": keep_days, **bounds})


def make_window(session: sa.Connection, table: str, window: Window) -> None:
    """Make a window of a class that exists, or BusyError."""
    with _brief(session):
        bounds = {"first": window.first_id, "past": window.end_id}
        run(session, _MAKE_WINDOW, {**_key(table, window), **bounds})


@contextmanager
def without(session: sa.Connection, window: Window, tables: Iterable[str]) -> Iterator[None]:
    """Hold a transaction in which the window has no partition in `tables`; at its end the rows are dropped.

    The block saves rows with `put_back`. After a BusyError, or an error of the block, nothing has changed.
    """
    with _brief(session):
        for table in tables:
            run(session, _DETACH_WINDOW, _key(table, window))
        yield
        for table in tables:
            run(session, _DROP_WINDOW, _key(table, window))


def put_back(session: sa.Connection, window: Window, table: str, jobs: list[UUID]) -> int:
    """Move the rows of these jobs from a window's detached partition into its class; return how many."""
    parent = partition_sql.class_of(table, window.keep_days)
    move: Statement[None] = Statement(
        f"INSERT INTO {parent} SELECT * FROM {table}{window.suffix} WHERE job_id = ANY(%(jobs)s)"  # noqa: S608  # our own names
    )
    return count(session, move, {"jobs": jobs}) if jobs else 0


def _key(table: str, window: Window) -> dict[str, object]:
    return {"table": table, "keep_days": window.keep_days, "suffix": window.suffix}


@contextmanager
def _brief(session: sa.Connection) -> Iterator[None]:
    try:
        with transaction(session):
            run(session, _PATIENCE, {"patience": f"{LOCK_TIMEOUT_MS}ms"})
            yield
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, _BUSY):
            raise BusyError(str(error.orig).splitlines()[0]) from error
        raise

"""SQL statements with named parameters and typed rows, and the one place that runs them.

A statement is written once, in psycopg's style (`%(name)s`), and says what a row of it is. What runs for each
job takes its lists as `%(name)b::type[]`: of `%(name)s` psycopg makes a text, which costs twice as much to
write and to read. A statement runs on this thread's Django connection (`fetch_all`, `execute`), on a bulk
process's own session (`run`, `run_many`, `count`), or on the event loop (`fetch_async`). Rows are built by
column name, never by position.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import starmap
from operator import itemgetter
from typing import Any, Generic, LiteralString, TypeVar, overload

import psycopg
import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs.core.errors import UnavailableError
from jobs.db.connections import prepares
from jobs.db.troubles import AGAIN, BROKEN, Trouble, trouble_of

Row = TypeVar("Row")
Result = TypeVar("Result")
Params = Mapping[str, Any]
Session = sa.Connection | psycopg.Connection[Any]
NO_PARAMS: Params = {}


class Statement(Generic[Row]):
    """One SQL text, and the type of its rows.

    `row` is a dataclass, NamedTuple or msgspec Struct whose fields are the statement's columns, in any order;
    any other type is the type of a single column; None means that the statement returns no rows.
    """

    __slots__ = ("_fields", "_read", "_row", "sql")

    @overload
    def __init__(self: Statement[None], sql: LiteralString) -> None: ...
    @overload
    def __init__(self, sql: LiteralString, row: type[Row]) -> None: ...

    def __init__(self, sql: LiteralString, row: type[Row] | None = None) -> None:
        """Prepare to run `sql`; a column without a field, or the reverse, is a TypeError at the first run."""
        self.sql: LiteralString = sql
        self._row, self._fields = row, _fields_of(row)
        self._read: Callable[[Iterable[Sequence[Any]]], list[Row]] | None = None

    def rows(self, columns: Callable[[], Sequence[str]], records: Iterable[Sequence[Any]]) -> list[Row]:
        """Return `records` as typed rows; `columns`, which names their columns, is called at the first run.

        One SQL text always has the same columns. Asking psycopg for 23 names takes a fifth of a read's time.
        """
        if self._read is None:
            self._read = self._reader(tuple(columns()))
        return self._read(records)

    def _reader(self, columns: tuple[str, ...]) -> Callable[[Iterable[Sequence[Any]]], list[Row]]:
        row, fields = self._row, self._fields
        if row is None or fields is None:
            (_only,) = columns
            return lambda records: [record[0] for record in records]
        if sorted(columns) != sorted(fields):
            raise TypeError(f"the columns {[*columns]} are not the fields {[*fields]}")
        if columns == fields:
            return lambda records: list(starmap(row, records))
        in_order = itemgetter(*(columns.index(name) for name in fields))
        return lambda records: list(starmap(row, map(in_order, records)))


def _fields_of(row: type[Any] | None) -> tuple[str, ...] | None:
    if row is None:
        return None
    if dataclasses.is_dataclass(row):
        return tuple(field.name for field in dataclasses.fields(row) if field.init)
    names: tuple[str, ...] | None = getattr(row, "_fields", None)  # a NamedTuple
    return names or getattr(row, "__struct_fields__", None)


def fetch_all(statement: Statement[Row], params: Params = NO_PARAMS) -> list[Row]:
    """Run one statement that is safe to run twice on this thread's connection; UnavailableError."""
    return once_more(lambda: execute(statement, params))


def once_more(work: Callable[[], Result]) -> Result:
    """Do database work that is safe to do twice, again on a new connection where the old one was lost.

    Where another transaction was in the way (serialization, deadlock), it is done again too. UnavailableError
    where that fails, or where the server cannot do the work now.
    """
    try:
        return work()
    except DjangoDatabaseError as error:
        trouble = trouble_of(error)
        if trouble is None:
            raise
        if connection.in_atomic_block or trouble not in AGAIN:
            forget_broken(error)
            raise UnavailableError("The database cannot take this request now.") from error
        forget_broken(error)
    try:
        return work()
    except DjangoDatabaseError as error:
        if trouble_of(error) is None:
            raise
        forget_broken(error)
        raise UnavailableError("The database does not answer.") from error


def forget_broken(error: BaseException) -> None:
    """Close this thread's connection where an error says that it is of no more use.

    That of a primary that became a standby stays open and read-only for ever.
    """
    if trouble_of(error) in BROKEN and not connection.in_atomic_block:
        connection.close()


def execute(statement: Statement[Row], params: Params = NO_PARAMS) -> list[Row]:
    """Run one statement on this thread's connection, in its open transaction if there is one."""
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    raw.prepare_threshold = 0 if prepares() else None  # Django turns server-side preparation off
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.execute(statement.sql, params, binary=True)
        return statement.rows(_names(cursor), cursor.fetchall()) if cursor.rownumber is not None else []


def run(session: Session, statement: Statement[Row], params: Params = NO_PARAMS) -> list[Row]:
    """Run one statement on a bulk process's session, or on the driver's own, and return its rows."""
    if isinstance(session, psycopg.Connection):
        with psycopg.Cursor(session) as cursor:
            cursor.execute(statement.sql, params, binary=True)
            return statement.rows(_names(cursor), cursor.fetchall()) if cursor.rownumber is not None else []
    result = session.exec_driver_sql(statement.sql, dict(params))
    if not result.returns_rows:
        return []
    return statement.rows(lambda: list(result.keys()), result.all())


def run_many(session: sa.Connection, statement: Statement[Any], rows: Sequence[Params]) -> None:
    """Run one statement for each of `rows` on a bulk process's session."""
    if rows:
        session.exec_driver_sql(statement.sql, [dict(row) for row in rows])


def count(session: sa.Connection, statement: Statement[Any], params: Params = NO_PARAMS) -> int:
    """Run one statement on a bulk process's session and return how many rows it changed."""
    return session.exec_driver_sql(statement.sql, dict(params)).rowcount


async def fetch_async(
    session: psycopg.AsyncConnection[Any], statement: Statement[Row], params: Params = NO_PARAMS
) -> list[Row]:
    """Run one statement on the event loop and return its rows; a connection with a stale plan is closed."""
    try:
        cursor = await session.execute(statement.sql, params)
    except psycopg.errors.FeatureNotSupported as error:
        if trouble_of(error) is Trouble.STALE_PLAN:
            await session.close()  # in a pool, another one takes its place
        raise
    return statement.rows(_names(cursor), await cursor.fetchall())


def storable(text: str) -> bool:
    """Return whether a row can hold this text, and so be found by it: Postgres takes no NUL."""
    return "\0" not in text


def _names(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any]) -> Callable[[], list[str]]:
    return lambda: [column.name for column in cursor.description or ()]

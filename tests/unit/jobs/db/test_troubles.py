"""One table of the database's errors, read alike through psycopg, SQLAlchemy and Django."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from django.db import DatabaseError, InternalError
from psycopg import errors

from jobs.db.troubles import TROUBLES, Trouble, trouble_of

PASSING = {
    errors.ConnectionFailure: Trouble.CONNECTION,
    errors.AdminShutdown: Trouble.CONNECTION,
    errors.CrashShutdown: Trouble.CONNECTION,
    errors.CannotConnectNow: Trouble.CONNECTION,
    errors.IdleInTransactionSessionTimeout: Trouble.CONNECTION,
    errors.IdleSessionTimeout: Trouble.CONNECTION,
    errors.ProtocolViolation: Trouble.CONNECTION,  # what pgbouncer says when it has no server
    errors.InvalidPassword: Trouble.CONNECTION,
    errors.ReadOnlySqlTransaction: Trouble.READ_ONLY,
    errors.DiskFull: Trouble.RESOURCES,
    errors.OutOfMemory: Trouble.RESOURCES,
    errors.TooManyConnections: Trouble.RESOURCES,
    errors.IoError: Trouble.RESOURCES,
    errors.LockNotAvailable: Trouble.LOCK,
    errors.SerializationFailure: Trouble.SERIALIZATION,
    errors.DeadlockDetected: Trouble.DEADLOCK,
    errors.QueryCanceled: Trouble.TIMEOUT,
}
LASTING = [
    errors.SyntaxError, errors.UndefinedTable, errors.UniqueViolation, errors.CheckViolation,
    errors.NumericValueOutOfRange, errors.InsufficientPrivilege, errors.InvalidTextRepresentation,
    errors.FeatureNotSupported, errors.DataCorrupted,
    errors.ProgramLimitExceeded, errors.StatementTooComplex,  # the same data meets the same limit again
]  # fmt: skip


@pytest.mark.parametrize(("kind", "trouble"), PASSING.items())
def test_an_error_that_passes_has_its_trouble_whoever_raises_it(
    kind: type[psycopg.Error], trouble: Trouble
) -> None:
    assert {trouble_of(error) for error in raised_by_all(kind("it is so"))} == {trouble}


@pytest.mark.parametrize("kind", LASTING)
def test_an_error_of_a_statement_or_its_data_does_not_pass(kind: type[psycopg.Error]) -> None:
    assert {trouble_of(error) for error in raised_by_all(kind("it is so"))} == {None}


def raised_by_all(error: psycopg.Error) -> list[Exception]:
    """Return the error as psycopg, SQLAlchemy and Django raise it; Django has classes of its own."""
    ours = InternalError("it is so")
    ours.__cause__ = error
    return [error, sa.exc.DBAPIError.instance("", None, error, psycopg.Error), ours]


@pytest.mark.parametrize("kind", [psycopg.OperationalError, psycopg.InterfaceError])
def test_the_client_s_own_errors_without_a_state_are_lost_connections(kind: type[psycopg.Error]) -> None:
    assert trouble_of(kind("the connection is closed")) is Trouble.CONNECTION


def test_other_errors_are_no_trouble_of_the_database() -> None:
    assert trouble_of(ValueError()) is None
    assert trouble_of(psycopg.ProgrammingError("no state")) is None
    assert trouble_of(DatabaseError("of Django itself")) is None


def test_the_longer_key_of_the_table_decides() -> None:
    assert {len(key) for key in TROUBLES} <= {2, 3, 5}
    assert trouble_of(errors.lookup("25P03")()) is Trouble.CONNECTION
    assert trouble_of(errors.lookup("25P02")()) is None, "a transaction that was given up already"

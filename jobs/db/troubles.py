"""What an error of the database means: one classification by SQLSTATE, for every process.

Trouble passes: hold what there is and try again. Any other error says that a statement or its data is wrong.
"""

from __future__ import annotations

from enum import StrEnum

import psycopg
from django.db import Error as DjangoDatabaseError
from sqlalchemy.exc import DBAPIError


class Trouble(StrEnum):
    """A kind of trouble that passes by itself, or when an operator has mended the server."""

    CONNECTION = "connection"  # the server, or the way to it, went away
    READ_ONLY = "read_only"  # a standby, a demoted primary, or a full disk that a provider has locked
    RESOURCES = "resources"  # no disk, memory, connections or locks left
    LOCK = "lock"  # another transaction held a lock for too long
    SERIALIZATION = "serialization"
    DEADLOCK = "deadlock"
    TIMEOUT = "timeout"  # the statement or its transaction took too long
    STALE_PLAN = "stale_plan"  # a migration changed a column's type: the connection's kept plan is of no use


# The five letters of a state, or its class of two; the longer one decides.
TROUBLES: dict[str, Trouble] = {
    "08": Trouble.CONNECTION,  # connection exceptions
    "57P": Trouble.CONNECTION,  # shut down, crashed, starting up, idle for too long, database dropped
    "25P03": Trouble.CONNECTION,  # idle in transaction for too long: the server ended the session
    "25P04": Trouble.TIMEOUT,  # transaction_timeout
    "25006": Trouble.READ_ONLY,
    "53": Trouble.RESOURCES,
    "58": Trouble.RESOURCES,  # the server's system: an I/O error, a missing file
    "55P03": Trouble.LOCK,
    "55006": Trouble.LOCK,  # an object in use
    "40001": Trouble.SERIALIZATION,
    "40002": Trouble.SERIALIZATION,
    "40003": Trouble.CONNECTION,  # it is not known whether a statement was done
    "40P01": Trouble.DEADLOCK,
    "57014": Trouble.TIMEOUT,
    "28": Trouble.CONNECTION,  # a password that is being rotated, a rule of access that is being changed
    "3D000": Trouble.CONNECTION,  # the database is being restored
}
# "cached plan must not change result type" has no state of its own, and its text is in the server's language.
_NOT_SUPPORTED, _REPLANS = "0A000", "RevalidateCachedQuery"
# Troubles after which the connection itself is of no more use: the next one may lead to the new primary.
BROKEN = frozenset({Trouble.CONNECTION, Trouble.READ_ONLY, Trouble.STALE_PLAN})
# Troubles after which work that is safe to do twice is done again at once.
AGAIN = BROKEN | {Trouble.SERIALIZATION, Trouble.DEADLOCK}
# Troubles that another transaction made: the next part of the work may be done.
IN_THE_WAY = frozenset({Trouble.LOCK, Trouble.SERIALIZATION, Trouble.DEADLOCK})


def trouble_of(error: BaseException) -> Trouble | None:
    """Return the trouble of an error of psycopg, SQLAlchemy or Django; None where it will not pass."""
    cause = _driver_error(error)
    if cause is None:
        return None
    state = cause.sqlstate
    if state is None:
        # The client's own errors: no connection, a broken one, a pool's timeout.
        return (
            Trouble.CONNECTION
            if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
            else None
        )
    if state == _NOT_SUPPORTED and cause.diag.source_function == _REPLANS:
        return Trouble.STALE_PLAN
    return next((TROUBLES[key] for key in (state, state[:3], state[:2]) if key in TROUBLES), None)


def _driver_error(error: BaseException) -> psycopg.Error | None:
    if isinstance(error, DBAPIError):
        return error.orig if isinstance(error.orig, psycopg.Error) else None
    if isinstance(error, DjangoDatabaseError):
        return error.__cause__ if isinstance(error.__cause__, psycopg.Error) else None
    return error if isinstance(error, psycopg.Error) else None

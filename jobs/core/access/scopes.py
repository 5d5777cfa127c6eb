"""The scopes and the lifetime of a token.

`admin` covers the jobs of every client and includes all other scopes but `approve`: an approval is worth
something only where the right to give it is granted by name.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Scope(StrEnum):
    """One scope of a token; the value is stored in Postgres and shown by the API."""

    SUBMIT = "submit"
    READ = "read"
    CANCEL = "cancel"
    REPLAY = "replay"
    ERASE = "erase"
    REGISTER = "register"
    ROLL_OUT = "roll_out"
    APPROVE = "approve"
    ADMIN = "admin"


LIFETIME_DAYS = 90
WARNED_DAYS = 14  # before a token's end
# Not among them are those that change what answers for every client, so an operator grants these by name.
DEFAULT_SCOPES = (Scope.SUBMIT, Scope.READ, Scope.CANCEL, Scope.REPLAY, Scope.ERASE)


def default_scopes() -> list[str]:
    """Return the scopes of a token that was created without any: all that an app needs."""
    return [scope.value for scope in DEFAULT_SCOPES]


def covers(held: Collection[str], required: Scope) -> bool:
    """Return whether a token with the scopes `held` covers the scope `required`."""
    return required in held or (Scope.ADMIN in held and required is not Scope.APPROVE)

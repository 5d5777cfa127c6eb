"""What a token may be used for; `admin` is all of it, for every client's jobs."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Scope(StrEnum):
    """One thing that a token may be used for; the value is what Postgres and the API say."""

    SUBMIT = "submit"
    READ = "read"
    CANCEL = "cancel"
    REPLAY = "replay"
    ADMIN = "admin"


DEFAULT_SCOPES = (Scope.SUBMIT, Scope.READ, Scope.CANCEL, Scope.REPLAY)


def default_scopes() -> list[str]:
    """Return what a token may do that was made without a word about it: all that an app needs."""
    return [scope.value for scope in DEFAULT_SCOPES]


def covers(held: Collection[str], wanted: Scope) -> bool:
    """Say whether a token with the scopes `held` may do what needs `wanted`."""
    return wanted in held or Scope.ADMIN in held

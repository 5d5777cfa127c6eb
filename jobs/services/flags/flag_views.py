"""Reads of flags: those in force, those of a moment, and every change of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from jobs.db.statement import Statement, fetch_all, run
from models_registry.core.registry_errors import FlagNotFoundError
from models_registry.core.routing.flag_document import check_flag_name

MOST_CHANGES = 1_000


class FlagView(NamedTuple):
    """A flag since `at`, and who decided it; `expired` is whether it is to be removed."""

    name: str
    number: int
    document: dict[str, Any]
    sha256: str
    expires_at: datetime
    expired: bool
    actor: str
    reason: str
    at: datetime


class FlagChangeView(NamedTuple):
    """A change of a flag; `document` is None where it was removed, `before` where there was none before."""

    name: str
    number: int
    document: dict[str, Any] | None
    before: dict[str, Any] | None
    sha256: str
    actor: str
    reason: str
    at: datetime


class ExpiredFlag(NamedTuple):
    """A flag that is to be removed, and for how long."""

    name: str
    expired_s: float


_IN_FORCE = Statement(
    """
SELECT name, number, document, sha256, expires_at, expires_at <= now() AS expired, actor, reason, at
FROM models_registry_flag WHERE %(name)s::text IS NULL OR name = %(name)s ORDER BY name
""",
    FlagView,
)
# One that was removed by then has no document.
_AT = Statement(
    """
SELECT name, number, document, sha256, expires_at, expires_at <= %(at)s AS expired, actor, reason, at
FROM (
  SELECT DISTINCT ON (name) *, (document ->> 'expires_at')::timestamptz AS expires_at
  FROM models_registry_flagchange WHERE at <= %(at)s ORDER BY name, number DESC
) then_in_force
WHERE document IS NOT NULL ORDER BY name
""",
    FlagView,
)
_CHANGES = Statement(
    """
SELECT name, number, document, lag(document) OVER (PARTITION BY name ORDER BY number) AS before, sha256,
  actor, reason, at
FROM models_registry_flagchange WHERE name = %(name)s ORDER BY number DESC LIMIT %(most)s
""",
    FlagChangeView,
)
_EXPIRED = Statement(
    """
SELECT name, extract(epoch FROM now() - expires_at)::float8 AS expired_s
FROM models_registry_flag WHERE expires_at <= now() ORDER BY name
""",
    ExpiredFlag,
)


def list_flags(*, at: datetime | None = None, expired: bool | None = None) -> list[FlagView]:
    """Return the flags in force, or those that were at a moment, by name; only expired or other ones."""
    flags = fetch_all(_IN_FORCE, {"name": None}) if at is None else fetch_all(_AT, {"at": at})
    return [flag for flag in flags if expired is None or flag.expired == expired]


def flag_view(name: str) -> FlagView:
    """Return one flag in force; FlagNotFoundError."""
    check_flag_name(name)
    for flag in fetch_all(_IN_FORCE, {"name": name}):
        return flag
    raise FlagNotFoundError(f"There is no flag {name!r}.")


def flag_changes(name: str, *, most: int = MOST_CHANGES) -> list[FlagChangeView]:
    """Return up to `most` changes of a flag, newest first, also of a removed one; FlagNotFoundError."""
    check_flag_name(name)
    changes = fetch_all(_CHANGES, {"name": name, "most": most})
    if not changes:
        raise FlagNotFoundError(f"There never was a flag {name!r}.")
    return list(changes)


def read_expired_flags(session: psycopg.Connection[Any]) -> list[ExpiredFlag]:
    """Return the expired flags; psycopg.Error."""
    return run(session, _EXPIRED)

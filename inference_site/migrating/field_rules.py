"""What a new or changed field does to the release before, and to the rows of its table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from django.db import connection
from django.db.models import Field, GeneratedField, ManyToManyField, Value
from django.db.models.expressions import BaseExpression
from django.db.models.fields import NOT_PROVIDED
from django.db.models.functions import Now

from inference_site.migrating.migration_rules import MigrationRule

AnyField: TypeAlias = "Field[Any, Any]"
STEADY = (Value, Now)  # one value for all rows: Postgres notes it and rewrites nothing
_SIZED = re.compile(r"varchar\((\d+)\)")
_ENDLESS = 10**9


def broken_by_new(field: AnyField, *, large: bool) -> Iterator[MigrationRule]:
    """Yield what a field breaks that is added to a table of the release before."""
    if isinstance(field, ManyToManyField):
        return  # a table of its own
    generated = isinstance(field, GeneratedField)
    if not generated and not field.null and not _has_default(field):
        yield MigrationRule.NOT_NULL
    if generated or _is_volatile(field):
        yield MigrationRule.VOLATILE
    if large:
        yield from _locks_of(field)


def broken_by_change(old: AnyField, new: AnyField, *, large: bool) -> Iterator[MigrationRule]:
    """Yield what the change of a field breaks."""
    if isinstance(new, ManyToManyField):
        return
    if old.column != new.column:
        yield MigrationRule.RENAMES
    if not _fits(old.db_type(connection) or "", new.db_type(connection) or ""):
        yield MigrationRule.CHANGES_TYPE
    if old.null and not new.null:
        yield MigrationRule.NOT_NULL
    if _has_default(old) and not _has_default(new) and not new.null:
        yield MigrationRule.DROPS_DEFAULT
    if large:
        yield from {*_locks_of(new)} - {*_locks_of(old)}


def _has_default(field: AnyField) -> bool:
    return field.db_default is not NOT_PROVIDED


def _is_volatile(field: AnyField) -> bool:
    default = field.db_default
    if not isinstance(default, BaseExpression):
        return False
    return not all(isinstance(part, STEADY) for part in default.flatten())


def _locks_of(field: AnyField) -> Iterator[MigrationRule]:
    if field.unique or getattr(field, "db_index", False):
        yield MigrationRule.LOCKS
    if getattr(field, "db_constraint", False):
        yield MigrationRule.SCANS


def _fits(old: str, new: str) -> bool:
    """Return whether every value of the old type is one of the new, without a rewrite."""
    if old == new:
        return True
    return 0 < _length(old) <= _length(new)


def _length(kind: str) -> int:
    if kind in {"text", "varchar"}:
        return _ENDLESS
    match = _SIZED.fullmatch(kind)
    return int(match[1]) if match else 0

"""Columns of the database as cells of the admin: times in the one style, and JSON as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.safestring import SafeString

from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_render import NONE, bounded_text, pretty

Cell = Callable[[Any], SafeString | str]


def shown_columns(model: type[models.Model], names: Iterable[Any]) -> tuple[Any, ...]:
    """Return an admin's columns or lines, with callables in the place of names that Django shows its way."""
    return tuple(_shown(model, name) for name in names)


@cache  # Django compares the callables of two lists
def _shown(model: type[models.Model], name: Any) -> Any:
    try:
        field = model._meta.get_field(name) if isinstance(name, str) else None  # noqa: SLF001  # documented API
    except FieldDoesNotExist:
        return name
    if isinstance(field, models.DateTimeField):
        return _cell(field, aged)
    if isinstance(field, models.JSONField):
        return _cell(field, lambda value: bounded_text(pretty(value)))
    return name


def _cell(field: models.Field[Any, Any], render: Cell) -> Any:
    def cell(row: models.Model) -> SafeString | str:
        value = getattr(row, field.attname)
        return NONE if value is None else render(value)

    cell.__name__ = field.name
    cell.short_description = field.verbose_name  # type: ignore[attr-defined]  # Django reads it
    return cell

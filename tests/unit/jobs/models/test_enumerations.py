"""Each value of an enumeration fits the column that stores it, and the column's constraint allows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db.migrations.loader import MigrationLoader
from django.db.models import Field, Model, Q

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.access.scopes import Scope
from jobs.core.admission.quota import QuotaKind
from jobs.core.batching.sealed_batch import SealReason
from jobs.core.circuits.breaker import CircuitState
from jobs.core.failures import FailureKind
from jobs.core.states import State, Verb
from jobs.core.webhooks.policy import DeliveryState
from models_registry.models import Loader

COLUMNS: list[tuple[str, str, str, type[StrEnum]]] = [
    ("jobs", "job", "state", State),
    ("jobs", "job", "error_kind", FailureKind),
    ("jobs", "deadletter", "kind", FailureKind),
    ("jobs", "batch", "seal_reason", SealReason),
    ("jobs", "event", "kind", AuditKind),
    ("jobs", "event", "kind", Verb),  # a replay and a cancellation are noted by their verb
    ("jobs", "circuit", "state", CircuitState),
    ("jobs", "delivery", "state", DeliveryState),
    ("jobs", "apitoken", "scopes", Scope),
    ("jobs", "quotabucket", "kind", QuotaKind),
    ("models_registry", "modelversion", "loader", Loader),
]
CHECKED = [
    ("jobs", "job", "state__in", State),
    ("jobs", "apitoken", "scopes__contained_by", Scope),
]


@pytest.fixture(scope="module")
def migrated() -> Apps:
    """Return the models as the migrations leave their tables; no database is asked."""
    return MigrationLoader(None).project_state().apps


@pytest.mark.parametrize(("app", "model", "column", "values"), COLUMNS)
def test_each_value_fits_its_column(
    migrated: Apps, app: str, model: str, column: str, values: type[StrEnum]
) -> None:
    field = migrated.get_model(app, model)._meta.get_field(column)
    stored = getattr(field, "base_field", field)
    assert isinstance(stored, Field)
    assert stored.max_length is not None
    assert [value for value in values if len(value) > stored.max_length] == []


@pytest.mark.parametrize(("app", "model", "column", "values"), COLUMNS)
def test_the_choices_of_a_column_are_the_values(
    migrated: Apps, app: str, model: str, column: str, values: type[StrEnum]
) -> None:
    field = migrated.get_model(app, model)._meta.get_field(column)
    assert isinstance(field, Field)
    if field.choices:
        assert {name for name, _ in field.flatchoices} == {value.value for value in values}


@pytest.mark.parametrize(("app", "model", "lookup", "values"), CHECKED)
def test_a_check_constraint_knows_each_value(
    migrated: Apps, app: str, model: str, lookup: str, values: type[StrEnum]
) -> None:
    (checked,) = checked_values(migrated.get_model(app, model), lookup)
    assert checked == {value.value for value in values}


def checked_values(model: type[Model], lookup: str) -> Iterator[set[str]]:
    """Yield the values that each constraint with `lookup` allows, over all alternatives of its condition."""
    for constraint in model._meta.constraints:
        condition = getattr(constraint, "condition", None)
        leaves = list(leaves_of(condition)) if isinstance(condition, Q) else []
        if any(name == lookup for name, _ in leaves):
            alone = lookup.partition("__")[0]
            yield {
                value
                for name, allowed in leaves
                if name in {lookup, alone}
                for value in ([allowed] if name == alone else allowed)
            }


def leaves_of(condition: Q) -> Iterator[tuple[str, Any]]:
    """Yield the lookups of a condition and of its parts."""
    for part in condition.children:
        if isinstance(part, Q):
            yield from leaves_of(part)
        elif isinstance(part, tuple):
            yield part


@pytest.mark.parametrize("values", [State, Verb, FailureKind, SealReason, AuditKind, CircuitState])
def test_a_value_is_a_lower_case_word(values: type[StrEnum]) -> None:
    """Values stand in event ids, labels of metrics and URLs, where a dot or a space would end them."""
    assert [value for value in values if not re.fullmatch("[a-z]+(_[a-z]+)*", value)] == []

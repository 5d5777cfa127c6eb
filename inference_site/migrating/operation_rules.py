"""What each operation of a migration does to the release before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from inference_site.migrating import field_rules, sql_rules
from inference_site.migrating.field_rules import AnyField
from inference_site.migrating.migration_rules import LARGE, MigrationRule
from inference_site.migrating.sql_rules import Broken

Found = Iterator[Broken]
# They change a table that the release before uses; new tables are not among them.
SCHEMA = (
    ops.AddField, ops.AlterField, ops.RemoveField, ops.RenameField, ops.DeleteModel, ops.RenameModel,
    ops.AlterModelTable, ops.AddIndex, ops.RemoveIndex, ops.AddConstraint, ops.RemoveConstraint,
    ops.AlterUniqueTogether,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One operation, the models before it, and the tables that its migration has created so far."""

    operation: Operation
    app: str
    state: ProjectState
    created: set[str]
    atomic: bool

    def is_large(self, model: str) -> bool:
        """Return whether a table has many rows: it is a large one, and older than this migration."""
        return f"{self.app}.{model}" in LARGE and model not in self.created

    def field_before(self, model: str, name: str) -> AnyField:
        """Return a field as it is before this step."""
        return _field(self.state, self.app, model, name)


def flattened(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Yield what is done to the database: of separated operations that half."""
    for operation in operations:
        if isinstance(operation, ops.SeparateDatabaseAndState):
            yield from flattened(operation.database_operations)
        else:
            yield operation


def broken_by_step(step: MigrationStep) -> Found:
    """Yield the rules that an operation breaks by itself."""
    for kind, judge in _JUDGES:
        if isinstance(step.operation, kind):
            yield from judge(step, step.operation)
    if isinstance(step.operation, ops.CreateModel):
        step.created.add(step.operation.name_lower)


def mixes_data(operations: Iterable[Operation]) -> bool:
    """Return whether these change rows, and tables of the release before too."""
    flat = [*flattened(operations)]
    return any(map(_changes_rows, flat)) and any(isinstance(operation, SCHEMA) for operation in flat)


def changed_tables(operations: Iterable[Operation], app: str) -> set[str]:
    """Return the tables of the release before that these operations lock."""
    flat = [*flattened(operations)]
    created = {operation.name_lower for operation in flat if isinstance(operation, ops.CreateModel)}
    models_changed = {_model_of(operation) for operation in flat if isinstance(operation, SCHEMA)}
    tables = {f"{app}_{name}" for name in models_changed}
    for operation in flat:
        if isinstance(operation, ops.RunSQL):
            tables |= sql_rules.altered_tables(operation.sql)
    return tables - {f"{app}_{name}" for name in created}


def _model_of(operation: Operation) -> str:
    return str(getattr(operation, "model_name_lower", "") or getattr(operation, "name_lower", ""))


def _changes_rows(operation: Operation) -> bool:
    if isinstance(operation, ops.RunPython):
        return True
    return isinstance(operation, ops.RunSQL) and any(
        map(sql_rules.changes_rows, sql_rules.statements_of(operation.sql))
    )


def _field(state: ProjectState, app: str, model: str, name: str) -> AnyField:
    options = state.apps.get_model(app, model)._meta  # noqa: SLF001  # documented by Django
    return cast("AnyField", options.get_field(name))


def _adds_field(step: MigrationStep, operation: ops.AddField) -> Found:
    if operation.model_name_lower not in step.created:
        large = step.is_large(operation.model_name_lower)
        yield from map(Broken, field_rules.broken_by_new(operation.field, large=large))


def _alters_field(step: MigrationStep, operation: ops.AlterField) -> Found:
    if operation.model_name_lower in step.created:
        return
    model, name = operation.model_name_lower, operation.name_lower
    after = step.state.clone()
    operation.state_forwards(step.app, after)
    new = _field(after, step.app, model, name)
    changes = field_rules.broken_by_change(step.field_before(model, name), new, large=step.is_large(model))
    yield from map(Broken, changes)


def _removes_field(step: MigrationStep, operation: ops.RemoveField) -> Found:
    if operation.model_name_lower not in step.created:
        yield Broken(MigrationRule.TAKES_AWAY, f"{operation.model_name_lower}.{operation.name_lower}")


def _deletes_model(_step: MigrationStep, operation: ops.DeleteModel) -> Found:
    yield Broken(MigrationRule.TAKES_AWAY, operation.name_lower)


def _renames(_step: MigrationStep, operation: Operation) -> Found:
    del operation
    yield Broken(MigrationRule.RENAMES)


def _adds_index(step: MigrationStep, operation: ops.AddIndex) -> Found:
    if isinstance(operation, AddIndexConcurrently):
        yield from _concurrently(step, operation)
    elif step.is_large(operation.model_name_lower):
        yield Broken(MigrationRule.LOCKS)


def _concurrently(step: MigrationStep, operation: Operation) -> Found:
    del operation
    if step.atomic:
        yield Broken(MigrationRule.CONCURRENTLY)


def _adds_constraint(step: MigrationStep, operation: ops.AddConstraint) -> Found:
    if step.is_large(operation.model_name_lower) and not isinstance(operation, AddConstraintNotValid):
        check = isinstance(operation.constraint, models.CheckConstraint)
        yield Broken(MigrationRule.SCANS if check else MigrationRule.LOCKS)


def _alters_unique(step: MigrationStep, operation: ops.AlterUniqueTogether) -> Found:
    if step.is_large(operation.name_lower):
        yield Broken(MigrationRule.LOCKS)


def _runs_python(_step: MigrationStep, operation: ops.RunPython) -> Found:
    if operation.reverse_code is None:
        yield Broken(MigrationRule.NO_REVERSE)


def _runs_sql(step: MigrationStep, operation: ops.RunSQL) -> Found:
    if operation.reverse_sql is None:
        yield Broken(MigrationRule.NO_REVERSE)
    for statement in sql_rules.statements_of(operation.sql):
        yield from sql_rules.broken_by(statement)
        if step.atomic and sql_rules.is_concurrent(statement):
            yield Broken(MigrationRule.CONCURRENTLY)


_JUDGES: tuple[tuple[type[Operation], Callable[[MigrationStep, Any], Found]], ...] = (
    (ops.AddField, _adds_field),
    (ops.AlterField, _alters_field),
    (ops.RemoveField, _removes_field),
    (ops.DeleteModel, _deletes_model),
    (ops.RenameField, _renames),
    (ops.RenameModel, _renames),
    (ops.AlterModelTable, _renames),
    (ops.AddIndex, _adds_index),
    (RemoveIndexConcurrently, _concurrently),
    (ops.AddConstraint, _adds_constraint),
    (ops.AlterUniqueTogether, _alters_unique),
    (ops.RunPython, _runs_python),
    (ops.RunSQL, _runs_sql),
)

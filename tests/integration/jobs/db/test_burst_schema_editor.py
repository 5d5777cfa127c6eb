"""A migration whose statements run in one burst leaves the tables that Django's own editor leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection, models, transaction
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations import operations as ops
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState

from jobs.db.burst_schema_editor import BurstSchemaEditor

TABLE = "jobs_fresh"
COLUMNS = """
SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = %s
"""
CONSTRAINTS = "SELECT contype FROM pg_constraint WHERE conrelid = %s::regclass AND contype <> 'n'"
INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = %s"


class Made(Migration):
    """It changes what it has made itself, so that the editor looks for constraints that are minutes old."""

    operations = [  # as in every migration
        ops.CreateModel(
            "Fresh",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=9, unique=True)),
            ],
        ),
        ops.AddField("fresh", "other", models.IntegerField(null=True, unique=True)),
        ops.AlterField("fresh", "name", models.CharField(max_length=9)),
        ops.AlterField("fresh", "other", models.IntegerField(null=True, db_index=True)),
    ]


def left_by(editor: type[DatabaseSchemaEditor]) -> list[set[tuple[object, ...]]]:
    """Return what the migration leaves with an editor: columns, constraints, kinds of indexes."""
    with transaction.atomic():
        with editor(connection, atomic=True) as schema:
            Made("0001", "jobs").apply(ProjectState(), schema)
        with connection.cursor() as cursor:
            found = [rows(cursor.execute, cursor.fetchall, query) for query in (COLUMNS, CONSTRAINTS)]
            cursor.execute(INDEXES, [TABLE])
            found.append(
                {("UNIQUE" in definition, "name" in definition) for (definition,) in cursor.fetchall()}
            )
        transaction.set_rollback(True)
    return found


def rows(
    execute: Callable[..., object], fetchall: Callable[[], list[tuple[object, ...]]], query: str
) -> set[tuple[object, ...]]:
    execute(query, [TABLE])
    return set(fetchall())


@pytest.mark.usefixtures("db")
def test_an_operation_sees_what_those_before_it_have_made() -> None:
    assert left_by(BurstSchemaEditor) == left_by(DatabaseSchemaEditor)

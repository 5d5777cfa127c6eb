"""Each rule of the migrations' linter: what breaks it, and what to do instead, which it lets pass."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.functions import Now

from inference_site.migrating.lint import BASELINE, BrokenMigration, findings
from inference_site.migrating.migration_rules import LARGE, SENTENCES, MigrationRule
from inference_site.stack.services import PROJECT

OLDER, NEW = "0070_trial_attempts", "0090_new"
CHECKED_BY_TRIGGER: dict[str, Any] = {"db_index": False, "db_constraint": False}
KEYS = models.Index("idempotency_key", name="job_keys")
POSITIVE = models.CheckConstraint(condition=models.Q(attempts__gte=0), name="positive")
ONCE = models.UniqueConstraint(fields=["idempotency_key"], name="once")


def found(
    operations: Sequence[Operation], state: ProjectState | None = None, **attributes: Any
) -> list[BrokenMigration]:
    """What the linter finds in one new migration upon the models as they are."""
    new = type("Migration", (Migration,), {"operations": [*operations], **attributes})
    migrations = {("jobs", OLDER): Migration(OLDER, "jobs"), ("jobs", NEW): new(NEW, "jobs")}
    return [*findings(migrations, lambda _: state or ProjectState.from_apps(apps))]


def broken(*operations: Operation, **attributes: Any) -> set[MigrationRule]:
    return {finding.rule for finding in found(operations, **attributes)}


def add(model: str, field: Any) -> Operation:
    return ops.AddField(model, "fresh", field)


def sql(text: str) -> Operation:
    return ops.RunSQL(text, ops.RunSQL.noop)


def nothing(apps: Any, editor: Any) -> None:
    """Stand for a data migration."""


BREAKS: list[tuple[MigrationRule, Operation]] = [
    (MigrationRule.TAKES_AWAY, ops.RemoveField("worker", "host")),
    (MigrationRule.TAKES_AWAY, ops.DeleteModel("Outage")),
    (MigrationRule.TAKES_AWAY, sql("DROP TABLE jobs_outage")),
    (MigrationRule.TAKES_AWAY, sql('ALTER TABLE jobs_worker\n  DROP COLUMN IF EXISTS "host"')),
    (MigrationRule.TAKES_AWAY, sql("ALTER TABLE jobs_worker DROP host")),
    (MigrationRule.TAKES_AWAY, sql("DO $$ BEGIN ALTER TABLE jobs_worker DROP COLUMN host; END $$")),
    (MigrationRule.RENAMES, ops.RenameField("worker", "host", "node_host")),
    (MigrationRule.RENAMES, ops.RenameModel("Outage", "Absence")),
    (MigrationRule.RENAMES, ops.AlterModelTable("outage", "absences")),
    (MigrationRule.RENAMES, sql("ALTER TABLE jobs_worker RENAME host TO node_host")),
    (
        MigrationRule.RENAMES,
        ops.AlterField("worker", "host", models.CharField(max_length=255, db_column="node_host")),
    ),
    (MigrationRule.NOT_NULL, add("worker", models.IntegerField())),
    (MigrationRule.NOT_NULL, add("worker", models.IntegerField(default=0))),
    (MigrationRule.NOT_NULL, ops.AlterField("job", "deadline", models.DateTimeField())),
    (MigrationRule.NOT_NULL, sql("ALTER TABLE jobs_job ALTER COLUMN deadline SET NOT NULL")),
    (MigrationRule.NOT_NULL, sql("ALTER TABLE jobs_worker ADD COLUMN fresh int NOT NULL")),
    (MigrationRule.NOT_NULL, sql("ALTER TABLE jobs_worker ADD a int NOT NULL, ADD b int DEFAULT 0 NOT NULL")),
    (MigrationRule.DROPS_DEFAULT, ops.AlterField("job", "created_at", models.DateTimeField())),
    (MigrationRule.DROPS_DEFAULT, sql("ALTER TABLE jobs_job ALTER COLUMN created_at DROP DEFAULT")),
    (MigrationRule.CHANGES_TYPE, ops.AlterField("job", "attempts", models.BigIntegerField(db_default=0))),
    (
        MigrationRule.CHANGES_TYPE,
        ops.AlterField("job", "error_code", models.CharField(max_length=3, db_default="")),
    ),
    (MigrationRule.CHANGES_TYPE, sql("ALTER TABLE jobs_job ALTER COLUMN attempts TYPE bigint")),
    (MigrationRule.VOLATILE, add("worker", models.UUIDField(db_default=RandomUUID()))),
    (MigrationRule.VOLATILE, sql("ALTER TABLE jobs_worker ADD COLUMN fresh uuid DEFAULT gen_random_uuid()")),
    (MigrationRule.VOLATILE, sql("ALTER TABLE jobs_worker ADD fresh bigserial")),
    (MigrationRule.LOCKS, ops.AddIndex("job", KEYS)),
    (MigrationRule.LOCKS, ops.AddConstraint("job", ONCE)),
    (MigrationRule.LOCKS, add("job", models.IntegerField(null=True, db_index=True))),
    (MigrationRule.LOCKS, add("job", models.IntegerField(null=True, unique=True))),
    (MigrationRule.LOCKS, ops.AlterField("job", "deadline", models.DateTimeField(null=True, db_index=True))),
    (MigrationRule.LOCKS, ops.AlterUniqueTogether("job", {("id", "state")})),
    (MigrationRule.LOCKS, sql("CREATE INDEX job_keys ON jobs_job (idempotency_key)")),
    (MigrationRule.LOCKS, sql("ALTER TABLE jobs_job ADD CONSTRAINT once UNIQUE (idempotency_key)")),
    (MigrationRule.SCANS, ops.AddConstraint("job", POSITIVE)),
    (
        MigrationRule.SCANS,
        add("job", models.ForeignKey("jobs.worker", models.PROTECT, null=True, db_index=False)),
    ),
    (MigrationRule.SCANS, sql("ALTER TABLE jobs_job ADD CONSTRAINT positive CHECK (attempts >= 0)")),
    (MigrationRule.SCANS, sql("ALTER TABLE IF EXISTS public.jobs_job ADD CHECK (attempts >= 0)")),
    (MigrationRule.SCANS, sql("ALTER TABLE jobs_job ADD FOREIGN KEY (batch) REFERENCES jobs_batch (id)")),
    (MigrationRule.REWRITES, sql("ALTER TABLE jobs_job SET UNLOGGED")),
    (MigrationRule.REWRITES, sql("-- first\nLOCK TABLE jobs_worker; SELECT 1")),
    (MigrationRule.NO_REVERSE, ops.RunPython(nothing)),
    (MigrationRule.NO_REVERSE, ops.RunSQL("SELECT 1")),
    (MigrationRule.CONCURRENTLY, AddIndexConcurrently("job", KEYS)),
    (MigrationRule.CONCURRENTLY, RemoveIndexConcurrently("job", "job_by_client")),
    (MigrationRule.CONCURRENTLY, sql("CREATE INDEX CONCURRENTLY job_keys ON jobs_job (idempotency_key)")),
]
PASSES: list[Operation] = [
    add("worker", models.IntegerField(db_default=0)),
    add("job", models.IntegerField(null=True)),
    add("job", models.DateTimeField(db_default=Now())),
    add("job", models.ForeignKey("jobs.worker", models.PROTECT, null=True, **CHECKED_BY_TRIGGER)),
    ops.AlterField("job", "error_code", models.CharField(max_length=300, db_default="")),
    ops.AlterField("worker", "host", models.TextField()),
    ops.AddIndex("worker", models.Index("host", name="worker_hosts")),
    ops.AddConstraint("worker", models.UniqueConstraint(fields=["host"], name="worker_once")),
    AddConstraintNotValid("job", POSITIVE),
    ops.RunPython(nothing, ops.RunPython.noop),
    sql("CREATE INDEX worker_hosts ON jobs_worker (host)"),
    sql("CREATE TABLE jobs_fresh (id uuid DEFAULT gen_random_uuid() NOT NULL)"),
    sql("ALTER TABLE jobs_worker ALTER COLUMN host SET DEFAULT gen_random_uuid()::text"),
    sql("ALTER TABLE jobs_worker ADD a numeric(8, 2) DEFAULT 0 NOT NULL, ADD b int"),
    sql("ALTER TABLE jobs_worker DROP CONSTRAINT IF EXISTS worker_once, ALTER host DROP NOT NULL"),
    sql("COMMENT ON TABLE jobs_worker IS 'DROP COLUMN host; TRUNCATE; LOCK'"),
    sql("ALTER TABLE jobs_job ADD CONSTRAINT positive CHECK (attempts >= 0) NOT VALID"),
    sql("CREATE FUNCTION f() RETURNS void AS $$ BEGIN; DROP TABLE jobs_outage; END $$ LANGUAGE plpgsql"),
    sql("UPDATE jobs_worker SET host = 'x' -- DROP TABLE jobs_worker"),
    ops.SeparateDatabaseAndState(state_operations=[ops.RemoveField("worker", "host")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "operation"), BREAKS, ids=lambda value: getattr(value, "value", type(value).__name__)
)
def test_what_breaks_the_release_before_is_refused(rule: MigrationRule, operation: Operation) -> None:
    assert broken(operation) == {rule}


@pytest.mark.parametrize("operation", PASSES, ids=lambda value: value.describe()[:60])
def test_what_the_release_before_does_not_notice_passes(operation: Operation) -> None:
    assert broken(operation) == set()


def test_outside_of_a_transaction_an_index_is_built_beside_the_writes() -> None:
    assert broken(AddIndexConcurrently("job", KEYS), atomic=False) == set()
    assert broken(RemoveIndexConcurrently("job", "job_by_client"), atomic=False) == set()


def test_rows_are_not_changed_in_the_transaction_that_changes_tables() -> None:
    column = add("worker", models.IntegerField(null=True))
    assert broken(column, ops.RunPython(nothing, ops.RunPython.noop)) == {MigrationRule.DATA}
    assert broken(column, sql("UPDATE jobs_worker SET fresh = 1")) == {MigrationRule.DATA}
    assert broken(column, ops.RunPython(nothing, ops.RunPython.noop), atomic=False) == set()


def test_each_table_that_one_statement_drops_is_named() -> None:
    both = sql("DROP TABLE IF EXISTS jobs_outage, jobs_worker CASCADE")
    assert broken(both, contracts={"jobs_outage": OLDER, "jobs_worker": OLDER}) == set()
    assert broken(both, contracts={"jobs_outage": OLDER}) == {MigrationRule.TAKES_AWAY}


def test_what_a_separated_operation_adds_to_the_models_is_there_for_the_next() -> None:
    column = add("worker", models.IntegerField(null=True))
    apart = ops.SeparateDatabaseAndState(
        [sql("ALTER TABLE jobs_worker ADD COLUMN fresh int")], [column]
    )  # fmt: skip
    later = ops.AlterField("worker", "fresh", models.IntegerField())
    assert broken(apart, later) == {MigrationRule.NOT_NULL}


def test_one_transaction_changes_one_table_of_the_release_before() -> None:
    first, second = (add(model, models.IntegerField(null=True)) for model in ("worker", "outage"))
    assert broken(first, second) == {MigrationRule.SEVERAL}
    assert broken(first, sql("ALTER TABLE jobs_outage ADD COLUMN fresh int")) == {MigrationRule.SEVERAL}
    assert broken(first, second, atomic=False) == set()
    assert broken(first, ops.AddField("worker", "other", models.IntegerField(null=True))) == set()
    made = ops.CreateModel("Fresh", [("id", models.BigAutoField(primary_key=True))])
    assert broken(first, made, ops.AddIndex("fresh", models.Index("id", name="fresh_ids"))) == set()


def test_a_table_that_the_same_migration_makes_is_not_used_yet() -> None:
    made = ops.CreateModel("Route", [("id", models.BigAutoField(primary_key=True))])
    column = ops.AddField("route", "fresh", models.IntegerField(db_index=True))
    state = ProjectState.from_apps(apps)
    state.remove_model("jobs", "route")
    assert found([made, column, ops.RemoveField("route", "fresh")], state) == []


def test_what_was_unused_since_an_earlier_migration_may_go() -> None:
    gone = ops.RemoveField("worker", "host"), ops.DeleteModel("Outage")
    assert broken(gone[0], contracts={"worker.host": OLDER}) == set()
    assert broken(gone[1], contracts={"outage": OLDER}) == set()
    assert broken(gone[0], contracts={"worker.host": NEW}) == {
        MigrationRule.TAKES_AWAY,
        MigrationRule.STALE_MARK,
    }
    assert broken(contracts={"worker.host": OLDER}) == {MigrationRule.STALE_MARK}


def test_an_exception_has_a_reason_and_is_needed() -> None:
    index = ops.AddIndex("job", KEYS)
    assert broken(index, lint_allows={MigrationRule.LOCKS: "the table is empty until 1.0"}) == set()
    assert broken(index, lint_allows={MigrationRule.LOCKS: ""}) == {
        MigrationRule.LOCKS,
        MigrationRule.STALE_MARK,
    }
    assert broken(lint_allows={MigrationRule.LOCKS: "nothing to allow"}) == {MigrationRule.STALE_MARK}


def test_migrations_that_are_older_than_the_rules_are_not_read() -> None:
    gone = type("Migration", (Migration,), {"operations": [ops.DeleteModel("Outage")]})(NEW, "jobs")
    assert [*findings({("jobs", NEW): gone}, lambda _: ProjectState(), baseline={"jobs": NEW})] == []


def test_a_finding_names_the_migration_the_operation_and_what_to_do() -> None:
    (finding,) = found([ops.DeleteModel("Outage")])
    assert str(finding) == (
        f"jobs.{NEW}: Delete model Outage [takes_away]\n    {SENTENCES[MigrationRule.TAKES_AWAY]}"
    )


def test_every_rule_has_a_sentence_and_is_broken_by_a_test() -> None:
    assert {*SENTENCES} == {*MigrationRule}
    assert {rule for rule, _ in BREAKS} == {*MigrationRule} - {
        MigrationRule.DATA,
        MigrationRule.SEVERAL,
        MigrationRule.STALE_MARK,
    }


def test_the_large_tables_and_the_baseline_exist() -> None:
    known = {f"{model._meta.app_label}.{model._meta.model_name}" for model in apps.get_models()}
    assert known >= LARGE
    ours = {config.label for config in apps.get_app_configs() if config.path.startswith(str(PROJECT))}
    migrating = {path.parents[1].name for path in PROJECT.glob("*/migrations/0*.py")}
    assert migrating & ours == set(BASELINE)  # the linter reads no app that has none
    for app, name in BASELINE.items():
        assert (PROJECT / app / "migrations" / f"{name}.py").exists()


def test_the_migrations_of_this_tree_pass() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "inference_site.migrating.lint"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "Migrations: each runs beside the release before."), (
        ran.stdout + ran.stderr
    )

"""Payloads and results in partitions by how long and of which day they are kept, so that a day goes at once.

No foreign key: the statements that write these rows take their jobs' ids from rows that they hold, and
attaching a partition with one would stop all writes to jobs. Where a role of `create_results_role` has
views of the old table, drop it first and make it anew.
"""

import time

from django.conf import settings
from django.db import migrations, models

from jobs.core.retention import partition_sql as partitions
from jobs.core.retention.policy import DAY_MS, Window, windows_around

KEEP_DAYS = 30
MOST_OLD_DAYS = 60  # older rows stand in the class's default partition
COLUMNS = {
    "jobs_jobinput": "parameters bytea, metadata bytea, variant integer CHECK (variant >= 0)",
    "jobs_jobresult": "epoch integer NOT NULL CHECK (epoch >= 0), source uuid",
}
ROOT = """
CREATE TABLE {table} (
  job_id uuid NOT NULL, keep_days smallint NOT NULL DEFAULT 30 CHECK (keep_days >= 0), {columns},
  body bytea NOT NULL, content_type varchar(63) NOT NULL DEFAULT 'application/json',
  encoding varchar(15) NOT NULL DEFAULT 'identity', PRIMARY KEY (job_id{key})
) {partition}
"""
AWAY = """
ALTER TABLE {table} RENAME TO {table}_old;
ALTER INDEX {table}_pkey RENAME TO {table}_old_pkey
"""
# A job's class says where its result stands, and by that, that there is one at most.
STAYS = """
CREATE FUNCTION jobs_job_keeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'keep_days of a job does not change' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER jobs_job_keeps AFTER UPDATE OF keep_days ON jobs_job
  FOR EACH ROW WHEN (OLD.keep_days <> NEW.keep_days) EXECUTE FUNCTION jobs_job_keeps()
"""
GOES = """
DROP TRIGGER jobs_job_keeps ON jobs_job;
DROP FUNCTION jobs_job_keeps()
"""
OLD_DAYS = """
SELECT DISTINCT ('x' || left(replace(job_id::text, '-', ''), 12))::bit(48)::bigint / {day_ms} FROM {table}_old
ORDER BY 1 DESC LIMIT {most}
"""
STORAGE = "ALTER TABLE jobs_jobresult ALTER COLUMN body SET STORAGE EXTERNAL"
SHARED = "job_id, body, content_type, encoding"
OWN = {"jobs_jobinput": "parameters, metadata, variant", "jobs_jobresult": "epoch, source"}
FOREIGN_KEY = """
ALTER TABLE {table} ADD FOREIGN KEY (job_id) REFERENCES jobs_job (id) DEFERRABLE INITIALLY DEFERRED
"""


def partition(_apps, schema_editor):
    for table in partitions.TABLES:
        away(schema_editor, table)
        by_class = "PARTITION BY LIST (keep_days)"
        root(schema_editor, table, columns=COLUMNS[table], key=", keep_days", partition=by_class)
        if table == "jobs_jobresult":
            schema_editor.execute(STORAGE)
        schema_editor.execute(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")
        old = old_windows(schema_editor, table)
        for keep_days in sorted({KEEP_DAYS, settings.INFERENCE.retention_days}):
            around = windows_around(keep_days, time.time_ns() // 1_000_000)
            windows = sorted({*around, *old}) if keep_days == KEEP_DAYS else around
            for statement in partitions.make_class(table, keep_days, windows):
                schema_editor.execute(statement)
        back(schema_editor, table)
    schema_editor.execute(STAYS, None)


def unpartition(_apps, schema_editor):
    schema_editor.execute(GOES)
    for table in partitions.TABLES:
        away(schema_editor, table)
        columns = COLUMNS[table]
        root(schema_editor, table, columns=columns, key="", partition="")
        schema_editor.execute(f"ALTER TABLE {table} DROP COLUMN keep_days")
        if table == "jobs_jobresult":
            schema_editor.execute(STORAGE)
        back(schema_editor, table)
        schema_editor.execute(FOREIGN_KEY.format(table=table))


def away(schema_editor, table):
    schema_editor.execute(AWAY.format(table=table))


def root(schema_editor, table, **parts):
    schema_editor.execute(ROOT.format(table=table, **parts))


def old_windows(schema_editor, table):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(OLD_DAYS.format(table=table, day_ms=DAY_MS, most=MOST_OLD_DAYS))
        return [Window(KEEP_DAYS, day) for (day,) in cursor.fetchall()]


def back(schema_editor, table):
    columns = f"{SHARED}, {OWN[table]}"
    schema_editor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_old")
    schema_editor.execute(f"DROP TABLE {table}_old")


def keep_days():
    return models.PositiveSmallIntegerField(
        db_default=KEEP_DAYS, help_text="For so many days its input and its result are kept."
    )


def job(name):
    return models.OneToOneField(
        db_constraint=False, on_delete=models.CASCADE, primary_key=True, related_name=name, serialize=False, to="jobs.job"
    )


class Migration(migrations.Migration):
    dependencies = [("jobs", "0012_secrecy")]
    operations = [
        migrations.AddField("job", "keep_days", keep_days()),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField("jobinput", "keep_days", keep_days()),
                migrations.AddField("jobresult", "keep_days", keep_days()),
                migrations.AlterField("jobinput", "job", job("input")),
                migrations.AlterField("jobresult", "job", job("result")),
            ],
            database_operations=[migrations.RunPython(partition, unpartition)],
        ),
    ]

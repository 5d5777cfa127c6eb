"""Two checks of a job instead of ten, and none of its outbox row and its batch.

Each statement that writes a row parses all checks of its table anew: an INSERT of one job spent a third of its
time there. The numbers were checked for being 0 or more, and only statements of ours write them.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

ENDS = ["cancelled", "dead", "expired", "succeeded"]
# The same as before where there is a detail; a short text, because it is parsed for every event. Processes
# that run while this is migrated may append events at once: `apply_rights` comes later.
READABLE = """
CREATE FUNCTION jobs_event_readable(detail jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN jsonb_typeof(detail) = 'object' AND pg_column_size(detail) <= 1000000 AND NOT detail @? '$.**{20}'
    AND NOT detail @? '$.** ? (@.type() == "number" && (@ > 1e300 || @ < -1e300))';
END $$;
GRANT EXECUTE ON FUNCTION jobs_event_readable TO PUBLIC;
ALTER TABLE jobs_event DROP CONSTRAINT event_detail_readable, ADD CONSTRAINT event_detail_readable
  CHECK (detail = '{}'::jsonb OR jobs_event_readable(detail)) NOT VALID;
"""
INLINE = """
ALTER TABLE jobs_event DROP CONSTRAINT event_detail_readable, ADD CONSTRAINT event_detail_readable CHECK (
  jsonb_typeof(detail) = 'object' AND pg_column_size(detail) <= 1000000 AND NOT detail @? '$.**{20}'
  AND NOT detail @? '$.** ? (@.type() == "number" && (@ > 1e300 || @ < -1e300))'
) NOT VALID;
DROP FUNCTION jobs_event_readable;
"""


def readable(apps, schema_editor):
    schema_editor.execute(READABLE, params=None)


def inline(apps, schema_editor):
    schema_editor.execute(INLINE, params=None)


def _number(model, name, kind=models.IntegerField, **options):
    return migrations.AlterField(model, name, kind(**options))


def _add(condition, name):
    """Stored rows satisfy what this replaces, and are not read again."""
    return AddConstraintNotValid("job", models.CheckConstraint(condition=condition, name=name))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0048_output_form")]
    operations = [
        _add(Q(priority__gte=0, priority__lte=9), "job_priority_is_0_to_9"),
        _add(
            Q(state__in=["queued", "waiting"], finished_at__isnull=True)
            | Q(state="running", finished_at__isnull=True, batch__isnull=False)
            | Q(state__in=ENDS, finished_at__isnull=False),
            "job_state_has_its_columns",
        ),
        migrations.RemoveConstraint("job", "job_state_known"),
        migrations.RemoveConstraint("job", "job_priority_0_to_9"),
        migrations.RemoveConstraint("job", "job_terminal_has_an_end"),
        migrations.RemoveConstraint("job", "job_running_has_a_batch"),
        _number("job", "priority", models.SmallIntegerField),
        _number("job", "epoch", db_default=0),
        _number("job", "attempts", models.SmallIntegerField, db_default=0),
        _number("job", "max_attempts", models.SmallIntegerField),
        _number(
            "job",
            "size",
            db_default=0,
            help_text="Bytes of its input in memory, or its length where the version pads; a hint.",
        ),
        _number(
            "job",
            "keep_days",
            models.SmallIntegerField,
            db_default=30,
            help_text="Days for which its input and its result are kept.",
        ),
        _number("outbox", "epoch"),
        _number("outbox", "priority", models.SmallIntegerField),
        _number("outbox", "size", db_default=0),
        _number("outbox", "published", db_default=0),
        _number(
            "outbox",
            "client",
            db_default=0,
            help_text="The owner's id; relay and batches serve clients in turn.",
        ),
        _number(
            "outbox",
            "parameters_digest",
            db_default=0,
            db_column="variant",
            help_text="A digest of the parameters: jobs with different digests never run in one batch.",
        ),
        _number(
            "outbox",
            "isolation_group",
            db_default=0,
            db_column="apart",
            help_text="0, or the group that it runs in without other jobs, because its worker died.",
        ),
        _number("batch", "size"),
        _number(
            "batch",
            "padded_size",
            models.BigIntegerField,
            default=0,
            help_text="Items times the longest item's size.",
        ),
        _number(
            "batch",
            "isolation_group",
            db_default=0,
            db_column="apart",
            help_text="0, or the group whose jobs ran while the worker held no others.",
        ),
        _number("batch", "succeeded", default=0),
        _number("batch", "failed", default=0),
        _number("batch", "released", default=0),
        _number(
            "batch", "fenced", default=0, help_text="Verdicts that came too late and were dropped."
        ),
        migrations.RunPython(readable, inline),
    ]

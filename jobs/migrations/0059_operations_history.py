from django.db import migrations, models

STEP = "1: a second; 60: a minute."
AT = "The begin of the step, in seconds since 1970."
OUT = "Jobs that workers ended, whether they succeeded or died."
TIMES = "Of jobs that succeeded, from their creation."
LAST = "The last second that is in it, in seconds since 1970."
UNLOGGED = """
ALTER TABLE jobs_operationsstep SET UNLOGGED;
ALTER TABLE jobs_operationsrecent SET UNLOGGED, SET (fillfactor = 50);
"""
LOGGED = """
ALTER TABLE jobs_operationsstep SET LOGGED;
ALTER TABLE jobs_operationsrecent SET LOGGED;
"""


class Migration(migrations.Migration):
    """The last hour by the second and the last day by the minute, for the operators' live page."""

    dependencies = [("jobs", "0058_traceparent")]

    operations = [
        migrations.CreateModel(
            "OperationsStep",
            [
                ("pk", models.CompositePrimaryKey("step_s", "at", "model", primary_key=True, serialize=False)),
                ("step_s", models.PositiveSmallIntegerField(help_text=STEP)),
                ("at", models.BigIntegerField(help_text=AT)),
                (
                    "model",
                    models.CharField(
                        db_column="queue", max_length=63, help_text="Empty: all models together."
                    ),
                ),
                ("in_per_s", models.FloatField(null=True)),
                ("out_per_s", models.FloatField(help_text=OUT)),
                ("waiting", models.IntegerField(null=True)),
                ("oldest_s", models.FloatField(null=True)),
                ("p50_s", models.FloatField(null=True, help_text=TIMES)),
                ("p95_s", models.FloatField(null=True)),
                ("p99_s", models.FloatField(null=True)),
                ("batch_size", models.FloatField(null=True)),
                ("failed_per_s", models.FloatField(help_text="Attempts that failed.")),
                ("workers", models.IntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            "OperationsRecent",
            [
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("at", models.BigIntegerField(help_text=LAST)),
                ("body", models.BinaryField(help_text="JSON of `RecentJobs`; figures only.")),
            ],
            options={"permissions": [("view_operations", "Can watch the operators' live page")]},
        ),
        migrations.RunSQL(UNLOGGED, LOGGED),
    ]

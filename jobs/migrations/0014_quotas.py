"""What is counted twice a second, and what clients may send."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

import jobs.models.queue_standing

ABOVE_ZERO = models.CheckConstraint(
    condition=Q(requests_per_s__isnull=True) | Q(requests_per_s__gt=0), name="quota_above_zero"
)
UNLOGGED = """
ALTER TABLE jobs_queuestanding SET UNLOGGED;
ALTER TABLE jobs_quotabucket SET UNLOGGED;
"""
LOGGED = """
ALTER TABLE jobs_queuestanding SET LOGGED;
ALTER TABLE jobs_quotabucket SET LOGGED;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0013_partitions")]
    operations = [
        migrations.CreateModel(
            "QueueStanding",
            fields=[
                (
                    "queue",
                    models.CharField(
                        help_text="The model's name.", max_length=63, primary_key=True, serialize=False
                    ),
                ),
                (
                    "waiting",
                    django.contrib.postgres.fields.ArrayField(models.PositiveIntegerField(), size=None),
                ),
                (
                    "head_age_s",
                    django.contrib.postgres.fields.ArrayField(
                        models.FloatField(),
                        help_text="For how long the first of each has been due.",
                        size=None,
                    ),
                ),
                (
                    "mean_age_s",
                    django.contrib.postgres.fields.ArrayField(
                        models.FloatField(), default=jobs.models.queue_standing.no_ages,
                        help_text="The same on average.", size=None,
                    ),
                ),
                (
                    "per_s",
                    models.FloatField(
                        help_text="Jobs that its workers end a second; empty: not known.", null=True
                    ),
                ),
                (
                    "answer_s",
                    models.FloatField(
                        default=0, help_text="From a job's claim to its verdict, on average."
                    ),
                ),
                ("arriving_per_s", models.FloatField(default=0)),
                (
                    "by_client",
                    models.JSONField(
                        default=jobs.models.queue_standing.no_clients,
                        help_text="The same jobs for each priority by client's id, of those with most.",
                    ),
                ),
                ("counted_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.CreateModel(
            "QuotaBucket",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "client",
                    models.ForeignKey(
                        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE,
                        to="jobs.client",
                    ),
                ),
                ("kind", models.CharField(max_length=15)),
                ("level", models.FloatField()),
                ("given", models.FloatField(default=0, help_text="What the last process took of it.")),
                ("at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.AddConstraint(
            "quotabucket", models.UniqueConstraint("client", "kind", name="quota_bucket_once")
        ),
        migrations.RunSQL(UNLOGGED, LOGGED),
        migrations.AddField(
            "client",
            "requests_per_s",
            models.FloatField(
                blank=True, help_text="Jobs a second; each item of a bulk call is one. Empty: no limit.", null=True
            ),
        ),
        migrations.AddField(
            "client",
            "requests_burst",
            models.PositiveIntegerField(
                blank=True, help_text="So many at once after a pause; empty: two seconds' worth.", null=True
            ),
        ),
        migrations.AddField(
            "client",
            "bytes_per_s",
            models.PositiveIntegerField(
                blank=True,
                help_text="Bytes of input a second, ten seconds' worth at once. Empty: no limit.",
                null=True,
            ),
        ),
        migrations.AddField(
            "client",
            "most_in_flight",
            models.PositiveIntegerField(
                blank=True, help_text="Jobs that wait or run at one time. Empty: no limit.", null=True
            ),
        ),
        migrations.AddConstraint("client", ABOVE_ZERO),
    ]

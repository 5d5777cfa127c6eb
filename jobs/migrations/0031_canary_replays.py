"""A replay of many dead jobs waits for what becomes of its first job."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("jobs", "0030_client_circuits")]
    operations = [
        migrations.CreateModel(
            "CanaryReplay",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("model", models.CharField(max_length=63)),
                ("fingerprint", models.CharField(max_length=255)),
                ("since", models.DateTimeField(help_text="Earliest death.", null=True)),
                ("until", models.DateTimeField(help_text="Latest death.")),
                (
                    "jobs",
                    ArrayField(
                        base_field=models.UUIDField(),
                        help_text="The jobs that were picked; empty: all.",
                        null=True,
                        size=None,
                    ),
                ),
                (
                    "rate_per_s",
                    models.FloatField(
                        help_text="Jobs a second that become due; empty: all at once.", null=True
                    ),
                ),
                ("most", models.PositiveIntegerField(help_text="Jobs at most, with the first ones.")),
                ("canary", models.UUIDField(help_text="The job that goes first.")),
                (
                    "tried",
                    models.PositiveIntegerField(db_default=1, help_text="How many jobs went first."),
                ),
                (
                    "replayed",
                    models.PositiveIntegerField(db_default=0, help_text="How many jobs followed."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("trying", "trying"), ("done", "done"), ("stopped", "stopped")],
                        max_length=7,
                    ),
                ),
                ("reason", models.TextField(blank=True, db_default="")),
                ("actor", models.CharField(max_length=127)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "replay",
                "indexes": [
                    models.Index(
                        models.F("id"),
                        condition=models.Q(ended_at__isnull=True),
                        name="canary_replay_open",
                    )
                ],
            },
        ),
    ]

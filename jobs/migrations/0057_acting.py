import uuid

from django.db import migrations, models
from django.db.models.functions import Now

VERBS = [("cancel", "cancel"), ("replay", "replay"), ("discard", "discard")]
KINDS = [("model", "model"), ("version", "version"), ("client", "client")]
STATES = [("running", "running"), ("stopped", "stopped"), ("finished", "finished")]


class Migration(migrations.Migration):
    """Acts on all jobs that match, done in the background; and what operators pause."""

    dependencies = [("jobs", "0056_job_labels")]

    operations = [
        migrations.CreateModel(
            name="BulkAct",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("verb", models.CharField(choices=VERBS, max_length=7)),
                (
                    "selection",
                    models.JSONField(
                        help_text="Which jobs; those that came after the start are not among them."
                    ),
                ),
                ("rate_per_s", models.FloatField(help_text="Jobs a second, at most.")),
                ("total", models.PositiveIntegerField(help_text="Jobs that matched when a person looked.")),
                ("done", models.PositiveIntegerField(db_default=0)),
                (
                    "failed",
                    models.PositiveIntegerField(
                        db_default=0, help_text="Jobs that had changed meanwhile, or whose input is gone."
                    ),
                ),
                ("state", models.CharField(choices=STATES, db_default="running", max_length=8)),
                ("actor", models.CharField(max_length=127)),
                (
                    "after",
                    models.UUIDField(
                        db_default=uuid.UUID(int=0), help_text="The last job that was looked at."
                    ),
                ),
                ("due", models.DateTimeField(db_default=Now(), help_text="When the next slice is due.")),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, db_default="", max_length=127)),
            ],
            options={
                "verbose_name": "act on many jobs",
                "verbose_name_plural": "acts on many jobs",
                "indexes": [
                    models.Index("id", condition=models.Q(("ended_at__isnull", True)), name="bulk_act_open")
                ],
            },
        ),
        migrations.AddField(
            "canaryreplay",
            "patch",
            models.TextField(
                blank=True, db_default="", help_text="The edit of each input, a JSON Patch; emptied at the end."
            ),
        ),
        migrations.AddField(
            "canaryreplay",
            "version",
            models.BigIntegerField(
                null=True, help_text="The row id of the version that runs the jobs; empty: each job's own."
            ),
        ),
        migrations.CreateModel(
            name="WorkPause",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=KINDS, max_length=7)),
                ("target", models.BigIntegerField(help_text="The row id of the model, version or client.")),
                ("name", models.CharField(max_length=255)),
                ("reason", models.TextField()),
                ("actor", models.CharField(max_length=127)),
                ("since", models.DateTimeField(db_default=Now())),
            ],
            options={
                "verbose_name": "pause",
                "constraints": [models.UniqueConstraint(fields=("kind", "target"), name="pause_once")],
            },
        ),
    ]

"""Offices and queues are held by leases, and a worker's heartbeat names the batches that it has in hand."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models.functions import Now

UNLOGGED = """
ALTER TABLE jobs_lease SET UNLOGGED;
ALTER TABLE jobs_leaseholder SET UNLOGGED, SET (fillfactor = 50);
"""
LOGGED = """
ALTER TABLE jobs_lease SET LOGGED;
ALTER TABLE jobs_leaseholder SET LOGGED;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0020_cache_entry_job")]
    operations = [
        migrations.CreateModel(
            "LeaseHolder",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("office", models.CharField(max_length=31)),
                ("label", models.CharField(help_text="Office, host and process id.", max_length=255)),
                ("session_pid", models.IntegerField(help_text="The server process of its session.")),
                (
                    "session_began",
                    models.DateTimeField(help_text="When that session began: process ids come again."),
                ),
                ("expires_at", models.DateTimeField(help_text="Until then nobody else takes its leases.")),
            ],
        ),
        migrations.CreateModel(
            "Lease",
            fields=[
                ("name", models.CharField(max_length=127, primary_key=True, serialize=False)),
                ("holder", models.UUIDField()),
                ("fence", models.BigIntegerField(help_text="Grows with every change of the holder.")),
                ("taken_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.RunSQL(UNLOGGED, LOGGED),
        migrations.AddField("worker", "named_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "worker",
            "open_batches",
            ArrayField(
                base_field=models.UUIDField(),
                db_default=models.Value([], output_field=ArrayField(models.UUIDField())),
                default=list,
                help_text="The batches that it had in hand at `named_at`; other open ones of its are taken back.",
                size=None,
            ),
        ),
    ]

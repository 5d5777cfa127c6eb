"""A job's wait is counted from when it began; a count knows the workers, and where each client's jobs stand."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models.functions import Now

import jobs.models.queue_standing


class Migration(migrations.Migration):
    dependencies = [("jobs", "0031_canary_replays")]
    operations = [
        migrations.AddField(
            "outbox",
            "since",
            models.DateTimeField(
                db_default=Now(),
                help_text="When the job began to wait: its first due time, which no publish moves.",
            ),
        ),
        migrations.AddField(
            "queuestanding",
            "spans",
            models.JSONField(
                default=jobs.models.queue_standing.no_clients,
                help_text="When and between which ids those clients' jobs began to wait.",
            ),
        ),
        migrations.AddField(
            "queuestanding",
            "workers",
            models.PositiveIntegerField(default=0, help_text="Live workers that serve the model."),
        ),
        migrations.AlterField(
            "queuestanding",
            "head_age_s",
            ArrayField(
                base_field=models.FloatField(),
                help_text="Seconds for which the first job of each priority has waited.",
                size=None,
            ),
        ),
    ]

"""Progress: what a model reports of the jobs that it runs, beside the batch and not on the hot row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_circuits")]
    operations = [
        migrations.AddField(
            "batch",
            "progress",
            models.JSONField(
                help_text="The newest report of each member whose model reports progress, by job id.",
                null=True,
            ),
        ),
    ]

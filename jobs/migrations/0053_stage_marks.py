from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

DUE = "Of each member, the seconds from when it was first due until `claimed_at`."
PUBLISHED = "Of each member, the seconds from its last publish until `claimed_at`."
BUFFERED = "Of each member, the seconds from its receipt by the worker until the seal."


class Migration(migrations.Migration):
    """The ledger keeps when the jobs of a batch passed from stage to stage."""

    dependencies = [("jobs", "0052_register_scope")]

    operations = [
        migrations.AddField(
            "outbox",
            "published_at",
            models.DateTimeField(null=True, help_text="When a relay last took it to publish it."),
        ),
        migrations.AddField(
            "batch", "due_ago_s", ArrayField(models.FloatField(null=True), null=True, help_text=DUE)
        ),
        migrations.AddField(
            "batch", "published_ago_s", ArrayField(models.FloatField(null=True), null=True, help_text=PUBLISHED)
        ),
        migrations.AddField(
            "batch", "buffered_s", ArrayField(models.FloatField(), null=True, help_text=BUFFERED)
        ),
        migrations.AddField(
            "batch",
            "sealed_ago_s",
            models.FloatField(null=True, help_text="Seconds from the seal until `claimed_at`."),
        ),
        migrations.AddField(
            "batch",
            "claim_s",
            models.FloatField(null=True, help_text="Seconds from the seal until the jobs were claimed."),
        ),
        migrations.AddField(
            "batch",
            "lane_s",
            models.FloatField(null=True, help_text="Seconds from then until its lane took it to run it."),
        ),
        migrations.AlterField(
            "batch",
            "ran_s",
            models.FloatField(null=True, help_text="Seconds of its run; empty where it did not run."),
        ),
    ]

"""What the relay counts in the dead-letter queues, so that no web process has to ask the broker."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("jobs", "0016_payloads")]
    operations = [
        migrations.CreateModel(
            "DeadLetterQueueSize",
            fields=[
                ("model", models.CharField(max_length=63, primary_key=True, serialize=False)),
                (
                    "messages",
                    models.PositiveBigIntegerField(
                        help_text="Empty: the broker has no such queue.", null=True
                    ),
                ),
                ("counted_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE jobs_deadletterqueuesize SET UNLOGGED", "ALTER TABLE jobs_deadletterqueuesize SET LOGGED"
        ),
    ]

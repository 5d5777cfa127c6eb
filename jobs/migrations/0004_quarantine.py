"""Jobs that were in a worker's hands when it died run apart from others: in which group."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_outbox_of_whom")]
    operations = [
        migrations.AddField(
            "outbox",
            "apart",
            models.PositiveIntegerField(
                db_default=0,
                help_text="0, or the group that it runs in, alone: it was in hand when a worker died.",
            ),
        ),
        migrations.AddField(
            "batch",
            "apart",
            models.PositiveIntegerField(
                db_default=0,
                help_text="0, or the group whose jobs it ran with nothing else in the worker's hands.",
            ),
        ),
    ]

"""An outbox row says whether it is a retry, which a budget pays for; a letter, why no attempt followed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_audit")]
    operations = [
        migrations.AddField(
            "outbox",
            "retry",
            models.BooleanField(
                db_default=False, help_text="It follows a failed attempt: its version's retry budget pays for it."
            ),
        ),
        migrations.AddField(
            "deadletter",
            "reason",
            models.TextField(blank=True, db_default="", help_text="Why there was no further attempt."),
        ),
    ]

"""A dead job's row says whether its letter is due, was confirmed or discarded, and what the attempts before said."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_quarantine")]
    operations = [
        migrations.AlterModelOptions(
            "deadletter", {"permissions": [("view_payload", "Can see what jobs were asked and answered")]}
        ),
        migrations.AddField(
            "deadletter",
            "history",
            models.JSONField(db_default=[], help_text="The last failed attempts, oldest first."),
        ),
        migrations.AddField(
            "deadletter",
            "due",
            models.DateTimeField(
                db_default=Now(),
                help_text="When the letter is published, unless confirmed until then.",
                null=True,
            ),
        ),
        migrations.AddField(
            "deadletter",
            "published",
            models.PositiveIntegerField(db_default=0, help_text="How often the letter was published."),
        ),
        migrations.AddField(
            "deadletter",
            "published_at",
            models.DateTimeField(help_text="When the broker confirmed the letter.", null=True),
        ),
        migrations.AddField("deadletter", "discarded_at", models.DateTimeField(null=True)),
        migrations.RemoveIndex("deadletter", "dead_letter_by_fingerprint"),
        migrations.AddIndex(
            "deadletter",
            models.Index(
                "queue", "kind", "fingerprint", "created_at",
                condition=models.Q(discarded_at__isnull=True), name="dead_letter_groups",
            ),
        ),
        migrations.AddIndex(
            "deadletter",
            models.Index(
                "queue", "due", condition=models.Q(due__isnull=False), name="dead_letter_due"
            ),
        ),
    ]

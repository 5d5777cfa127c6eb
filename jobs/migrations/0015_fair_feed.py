"""The outbox is read client by client."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0014_quotas")]
    operations = [
        migrations.RemoveIndex("outbox", "outbox_next"),
        migrations.RemoveIndex("outbox", "outbox_in_flight"),
        migrations.AddIndex(
            "outbox", models.Index("queue", F("priority").desc(), "client", "due", name="outbox_next")
        ),
        migrations.AddIndex(
            "outbox",
            models.Index(
                "queue", "priority", "client", condition=Q(published__gt=0), name="outbox_in_flight"
            ),
        ),
        migrations.AlterField(
            "outbox",
            "client",
            models.PositiveIntegerField(
                db_default=0, help_text="The owner's id; feed and batches are shared out fairly between clients."
            ),
        ),
    ]

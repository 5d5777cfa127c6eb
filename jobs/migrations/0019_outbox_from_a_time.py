"""The outbox is read from a time on, so that dead rows before it cost nothing."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0018_attribute_names")]
    operations = [
        migrations.RemoveIndex("outbox", "outbox_next"),
        migrations.RemoveIndex("outbox", "outbox_in_flight"),
        migrations.AddIndex(
            "outbox",
            models.Index(
                "model", F("priority").desc(), "client", "due", condition=Q(published=0), name="outbox_fresh"
            ),
        ),
        migrations.AddIndex(
            "outbox", models.Index("model", "due", condition=Q(published=0), name="outbox_due")
        ),
        migrations.AddIndex(
            "outbox", models.Index("model", "due", condition=Q(published__gt=0), name="outbox_in_flight")
        ),
    ]

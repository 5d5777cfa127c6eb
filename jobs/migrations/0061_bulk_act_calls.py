import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Clients start acts on many of their jobs, safely twice: the act keeps the key of the call."""

    dependencies = [("jobs", "0060_worker_lanes")]

    operations = [
        migrations.AddField(
            "bulkact",
            "client",
            models.ForeignKey(
                "jobs.client",
                django.db.models.deletion.PROTECT,
                null=True,
                db_index=False,
                related_name="+",
                help_text="Whose token started it; empty where a person did.",
            ),
        ),
        migrations.AddField("bulkact", "idempotency_key", models.CharField(max_length=200, null=True)),
        migrations.AddField("bulkact", "request_digest", models.BinaryField(max_length=32, null=True)),
        migrations.AddConstraint(
            "bulkact",
            models.UniqueConstraint(fields=("client", "idempotency_key"), name="bulk_act_key"),
        ),
    ]

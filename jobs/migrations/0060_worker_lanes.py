from django.db import migrations, models

LANES = "Batches that it runs at once; empty: a worker of an earlier release."


class Migration(migrations.Migration):
    """A worker's row says how many batches it runs at once."""

    dependencies = [("jobs", "0059_operations_history")]

    operations = [
        migrations.AddField(
            "worker", "lanes", models.PositiveSmallIntegerField(null=True, help_text=LANES)
        ),
    ]

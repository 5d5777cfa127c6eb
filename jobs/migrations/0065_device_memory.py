from django.db import migrations, models

USED = "Of the device's memory, at the last heartbeat; empty: not known, or a CPU."
TOTAL = "The whole memory of the device."


class Migration(migrations.Migration):
    """A worker's heartbeat says how much of its device's memory is used."""

    dependencies = [("jobs", "0064_words")]

    operations = [
        migrations.AddField("worker", "memory_used_bytes", models.BigIntegerField(null=True, help_text=USED)),
        migrations.AddField("worker", "memory_total_bytes", models.BigIntegerField(null=True, help_text=TOTAL)),
    ]

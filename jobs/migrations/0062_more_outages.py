from django.db import migrations, models

KINDS = ["paused", "broker", "database", "no_relay", "retry_budget", "cold_model"]


class Migration(migrations.Migration):
    """It is on record when no relay ran, and what was paused for how long."""

    dependencies = [("jobs", "0061_bulk_act_calls")]

    operations = [
        migrations.AddField(
            "outage",
            "client",
            models.BigIntegerField(db_default=0, help_text="A client's row id; 0: all clients."),
        ),
        migrations.AlterField(
            "outage",
            "kind",
            models.CharField(max_length=15, choices=[(kind, kind) for kind in KINDS]),
        ),
    ]

from django.db import migrations, models

HELP = "The span that made the job, and its caller's `tracestate`; empty unless it is traced."


class Migration(migrations.Migration):
    """A traced job also keeps what its caller's tracing system adds to each place; no row is rewritten."""

    dependencies = [("jobs", "0062_more_outages")]

    operations = [
        migrations.AlterField(
            "jobinput", "traceparent", models.CharField(max_length=568, null=True, help_text=HELP)
        ),
        migrations.AlterField(
            "outbox", "traceparent", models.CharField(max_length=568, null=True, help_text=HELP)
        ),
    ]

from django.db import migrations, models

HELP = "The span that made the job; empty unless it is traced."


class Migration(migrations.Migration):
    """A traced job keeps its place in its caller's trace."""

    dependencies = [("jobs", "0057_acting")]

    operations = [
        migrations.AddField("jobinput", "traceparent", models.CharField(max_length=55, null=True, help_text=HELP)),
        migrations.AddField("outbox", "traceparent", models.CharField(max_length=55, null=True, help_text=HELP)),
    ]

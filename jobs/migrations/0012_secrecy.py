"""Secrecy: an encrypted job's batching hint is reckoned before its parameters are sealed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0011_webhooks")]
    operations = [
        migrations.AddField(
            "jobinput",
            "variant",
            models.PositiveIntegerField(
                help_text="A keyed digest of parameters that are sealed; of others it is told from them.",
                null=True,
            ),
        ),
    ]

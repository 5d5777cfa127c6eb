"""A client may be limited to some models."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0038_webhook_shares")]
    operations = [
        migrations.AddField(
            "client",
            "models",
            ArrayField(
                base_field=models.CharField(max_length=63),
                blank=True,
                db_default=[],
                default=list,
                help_text="Names of the models that it may use, with commas between. Empty: all.",
                size=None,
            ),
        ),
    ]

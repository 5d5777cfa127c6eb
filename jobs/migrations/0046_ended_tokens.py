"""A token that an operator lets end cannot be rotated into one that does not."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0045_forged_events")]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="ended_at",
            field=models.DateTimeField(
                blank=True, help_text="When an operator let it end; it cannot be rotated since.", null=True
            ),
        ),
    ]

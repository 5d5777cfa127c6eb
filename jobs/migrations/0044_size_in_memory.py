"""A job's size is in bytes for every version, so that a batch can be bounded in bytes. No column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0043_model_orders")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="size",
            field=models.PositiveIntegerField(
                db_default=0,
                help_text="Bytes of its input in memory, or its length where the version pads; a hint.",
            ),
        ),
    ]

"""The UUID of a worker's GPU: `cuda:0` is another device in each process."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0049_fewer_checks")]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="device_uuid",
            field=models.CharField(
                blank=True, db_default="", help_text="The GPU, as `nvidia-smi -L` lists it.", max_length=63
            ),
        ),
    ]

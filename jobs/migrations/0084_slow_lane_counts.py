from django.db import migrations, models


class Migration(migrations.Migration):
    """The queue of a slow lane is counted, and which jobs go there stands beside the counts."""

    dependencies = [('jobs', '0083_slow_lane_of_workers')]

    operations = [
        migrations.AddField(
            "queuestanding",
            "slow_from",
            models.JSONField(
                db_default=models.Value({}, output_field=models.JSONField()),
                default=dict,
                help_text="By version id, the size of an input from which on its jobs go to the slow lane.",
            ),
        ),
        migrations.AlterField(
            "queuestanding",
            "model",
            models.CharField(
                db_column="queue",
                help_text="The model's name, or that of its slow lane.",
                max_length=68,
                primary_key=True,
                serialize=False,
            ),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    """A worker says for which lane it is."""

    dependencies = [('jobs', '0082_slow_lane_of_batches')]

    operations = [
        migrations.AddField(
            "worker",
            "lane",
            models.CharField(
                blank=True,
                db_default="",
                help_text="The lane that it is for, `fast` or `slow`; empty: both.",
                max_length=4,
            ),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    """A batch says whether its jobs came by the queue of the slow lane."""

    dependencies = [('jobs', '0081_slow_lane')]

    operations = [
        migrations.AddField(
            "batch",
            "slow",
            models.BooleanField(db_default=False, help_text="Its jobs came by the queue of the slow lane."),
        ),
    ]

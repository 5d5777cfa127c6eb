from django.db import migrations, models


class Migration(migrations.Migration):
    """The surveyor also stores what operators and scalers read: workers by state, goal, dead letters."""

    dependencies = [("jobs", "0053_stage_marks")]

    operations = [
        migrations.AddField(
            "queuestanding",
            "busy",
            models.PositiveIntegerField(null=True, help_text="Those of them that hold a batch of it."),
        ),
        migrations.AddField(
            "queuestanding",
            "silent",
            models.PositiveIntegerField(
                null=True, help_text="Its workers that have not ended and have no heartbeat."
            ),
        ),
        migrations.AddField(
            "queuestanding",
            "workers_wanted",
            models.PositiveIntegerField(
                null=True, help_text="Workers that what arrives, what waits and the goal ask for."
            ),
        ),
        migrations.AddField(
            "queuestanding",
            "arrivals_per_s",
            models.FloatField(null=True, help_text="Jobs that came, over about ten seconds."),
        ),
        migrations.AddField(
            "queuestanding",
            "goal_s",
            models.FloatField(null=True, help_text="The p95 goal of its default version."),
        ),
        migrations.AddField(
            "queuestanding",
            "dead_letters",
            models.PositiveIntegerField(null=True, help_text="Dead letters that are not discarded."),
        ),
    ]

from django.db import migrations, models

TAKEN = "How often a worker took it and did not give it back: the second one that dies ends it."


class Migration(migrations.Migration):
    """A trial counts the workers that took it, so that one that ends its worker is not tried for ever."""

    dependencies = [("jobs", "0069_take_back")]

    operations = [
        migrations.AddField(
            "trial", "attempts", models.PositiveSmallIntegerField(db_default=0, help_text=TAKEN)
        ),
    ]

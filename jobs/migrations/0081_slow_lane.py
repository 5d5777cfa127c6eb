from django.db import migrations, models


class Migration(migrations.Migration):
    """A job that is to be published may wait in the queue of its model's slow lane."""

    dependencies = [('jobs', '0080_shadow')]

    operations = [
        migrations.AlterField(
            "outbox",
            "model",
            models.CharField(
                db_column="queue", help_text="The model's name, or that of its slow lane.", max_length=68
            ),
        ),
    ]

"""What a model with confidential data said of a failure is kept sealed, beside what may be shown."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0039_client_models")]
    operations = [
        migrations.AddField(
            "deadletter",
            "words",
            models.BinaryField(
                null=True, help_text="The model's own message and traceback, sealed; the others are shown then."
            ),
        ),
        migrations.AddField(
            "deadletter", "words_encoding", models.CharField(blank=True, db_default="", max_length=63)
        ),
    ]

"""The form in which a job's client wants an output of bytes. NULL takes no room, so no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0047_checked_references")]

    operations = [
        migrations.AddField(
            model_name="jobinput",
            name="output_form",
            field=models.CharField(
                help_text="The form in which the client wants an output of bytes; empty for JSON.",
                max_length=6,
                null=True,
            ),
        ),
    ]

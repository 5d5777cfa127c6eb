"""Keys of clients' months, of jobs and of uploads, all wrapped; what earlier releases sealed stays unreadable."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("jobs", "0040_sealed_words")]
    operations = [
        migrations.CreateModel(
            name="JobKey",
            fields=[
                ("job_id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "wrapped",
                    models.BinaryField(help_text="Seals the input, parameters, metadata, files and messages."),
                ),
                ("answer", models.BinaryField(help_text="Seals the result.")),
            ],
        ),
        migrations.AddField(
            "upload",
            "sealed",
            models.BinaryField(
                help_text="The object as it is stored, in JSON, with its key; empty if it is plain.",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="DataKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "month",
                    models.PositiveIntegerField(
                        help_text="Of the job's id or the file's name, such as 202612."
                    ),
                ),
                ("wrapped", models.BinaryField()),
                (
                    "wrapped_by",
                    models.CharField(help_text="The name of the wrapping key.", max_length=255),
                ),
                ("created_at", models.DateTimeField(db_default=Now())),
                (
                    "client",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="jobs.client"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("client", "month"), name="data_key_once")]
            },
        ),
    ]

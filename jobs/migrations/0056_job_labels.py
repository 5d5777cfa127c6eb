import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Jobs are found by fields of their metadata, where their model names some."""

    dependencies = [("jobs", "0055_outages")]

    operations = [
        migrations.CreateModel(
            name="JobLabel",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("model", models.CharField(db_column="queue", max_length=63)),
                ("field", models.CharField(max_length=63)),
                ("value", models.CharField(max_length=255)),
                ("expires_at", models.DateTimeField(help_text="When the metadata's own time is over.")),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="labels",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index("model", "field", "value", "job", name="label_jobs")],
                "constraints": [models.UniqueConstraint(fields=("job", "field"), name="label_once")],
            },
        ),
    ]

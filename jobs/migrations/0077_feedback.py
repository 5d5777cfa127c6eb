import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

VERSION = "The row id of the version that was decided; empty for a circuit's fallback."


class Migration(migrations.Migration):
    """What clients say of answers, and which version a rule had decided for a job."""

    dependencies = [('jobs', '0076_drift')]

    operations = [
        migrations.CreateModel(
            "Feedback",
            [
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "job_id", "name", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=63)),
                ("value", models.FloatField(null=True)),
                ("label", models.CharField(max_length=200, null=True)),
                ("at", models.DateTimeField(db_default=Now())),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="feedback",
                        to="jobs.job",
                    ),
                ),
            ],
            options={"verbose_name_plural": "feedback"},
        ),
        migrations.AddField("route", "version", models.BigIntegerField(null=True, help_text=VERSION)),
    ]

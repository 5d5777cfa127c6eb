from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform

KINDS = ["broker", "database", "retry_budget", "cold_model"]
OF_ALL = "Empty: of all models."
NODE = "Celery's node name of the worker that waited."


class Migration(migrations.Migration):
    """What kept jobs from running is on record: outages, and the changes of a version's circuits by their time."""

    # The events are many, and every submit writes one: no lock is held while their index is made.
    atomic = False
    dependencies = [("jobs", "0054_survey_figures")]

    operations = [
        migrations.CreateModel(
            "Outage",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=15, choices=[(kind, kind) for kind in KINDS])),
                ("model", models.CharField(max_length=63, blank=True, db_default="", help_text=OF_ALL)),
                (
                    "version",
                    models.PositiveIntegerField(db_default=0, help_text="A version's row id; 0: all versions."),
                ),
                ("node", models.CharField(max_length=255, blank=True, db_default="", help_text=NODE)),
                ("began_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
            ],
            options={"indexes": [models.Index("until", name="outage_until")]},
        ),
        AddIndexConcurrently(
            "event",
            models.Index(
                KeyTextTransform("version", "detail"),
                "at",
                condition=models.Q(kind="circuit"),
                name="event_of_circuit",
            ),
        ),
    ]

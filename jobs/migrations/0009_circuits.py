"""Circuits: a version whose jobs fail is left alone for a while, and every process knows."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_reuse"), ("models_registry", "0001_first")]
    operations = [
        migrations.CreateModel(
            "Circuit",
            [
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="circuit",
                        serialize=False,
                        to="models_registry.modelversion",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("closed", "closed"), ("open", "open"), ("half_open", "half_open")],
                        max_length=9,
                    ),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("since", models.DateTimeField(db_default=Now())),
                (
                    "retry_at",
                    models.DateTimeField(
                        help_text="When its jobs are tried again; empty while open: when somebody says so.",
                        null=True,
                    ),
                ),
                (
                    "openings",
                    models.PositiveIntegerField(db_default=0, help_text="How often in a row it opened."),
                ),
                (
                    "probes",
                    models.PositiveIntegerField(db_default=5, help_text="So many successes close it."),
                ),
                (
                    "succeeded",
                    models.PositiveIntegerField(db_default=0, help_text="Successes since it is half open."),
                ),
            ],
        ),
    ]

"""Versions that a worker cannot load, with the reason."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0003_padded")]

    operations = [
        migrations.CreateModel(
            name="LoadFailure",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("node", models.CharField(help_text="Celery's node name of the worker.", max_length=255)),
                ("reason", models.TextField()),
                ("tries", models.PositiveIntegerField(db_default=1)),
                ("since", models.DateTimeField(db_default=Now())),
                ("tried_at", models.DateTimeField(db_default=Now())),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="load_failures",
                        to="models_registry.modelversion",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="loadfailure",
            constraint=models.UniqueConstraint(fields=("version", "node"), name="load_failure_once_per_node"),
        ),
    ]

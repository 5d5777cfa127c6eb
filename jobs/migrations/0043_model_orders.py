"""Orders to load and unload models are rows, because a message to a worker shows nobody's name."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("jobs", "0042_channel_secret")]
    operations = [
        migrations.CreateModel(
            "ModelOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "worker",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="jobs.worker",
                    ),
                ),
                ("action", models.CharField(choices=[("load", "load"), ("unload", "unload")], max_length=6)),
                ("ref", models.CharField(help_text="name, name:version or name@alias.", max_length=127)),
                ("ordered_at", models.DateTimeField(db_default=Now())),
                ("taken_at", models.DateTimeField(help_text="When the worker read it.", null=True)),
                (
                    "outcome",
                    models.TextField(
                        blank=True, db_default="", help_text="Empty until it is done or has failed."
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.F("worker"),
                        condition=models.Q(taken_at__isnull=True),
                        name="model_order_waiting",
                    )
                ],
            },
        ),
    ]

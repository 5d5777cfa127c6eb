"""A job may be erased, alone or with all of its subject; the scope `erase` allows a token to ask for it."""

import django.db.models.deletion
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

SCOPES = ["submit", "read", "cancel", "replay", "erase", "admin"]


class Migration(migrations.Migration):
    dependencies = [("jobs", "0032_waiting_since")]
    operations = [
        migrations.AddField(
            "job",
            "erased_at",
            models.DateTimeField(
                help_text="When its content was erased; a tombstone since.", null=True
            ),
        ),
        migrations.CreateModel(
            "Subject",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "client",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="jobs.client",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="jobs.job",
                    ),
                ),
            ],
            {
                "indexes": [models.Index("client", "digest", "job", name="subject_jobs")],
                "constraints": [models.UniqueConstraint(fields=["job", "digest"], name="subject_once")],
            },
        ),
        migrations.CreateModel(
            "Erasure",
            [
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "digest",
                    models.BinaryField(
                        help_text="The subject; empty once all is erased.", max_length=32, null=True
                    ),
                ),
                ("actor", models.CharField(max_length=127)),
                (
                    "last_job",
                    models.UUIDField(help_text="Jobs with larger ids came later and are not part of it."),
                ),
                ("jobs", models.PositiveIntegerField(help_text="The jobs that there were at first.")),
                ("erased", models.PositiveIntegerField(db_default=0)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "client",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="jobs.client"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "UnwantedObject",
            [
                ("name", models.CharField(max_length=127, primary_key=True, serialize=False)),
                (
                    "erased_jobs",
                    ArrayField(
                        base_field=models.UUIDField(),
                        help_text="The erased jobs that pointed at it.",
                        size=None,
                    ),
                ),
                (
                    "is_result",
                    models.BooleanField(
                        help_text="Whether older jobs may have a copy of its row."
                    ),
                ),
                ("since", models.DateTimeField(db_default=Now())),
                (
                    "client",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="jobs.client",
                    ),
                ),
            ],
        ),
        migrations.RemoveConstraint("apitoken", "token_scopes_known"),
        migrations.AddConstraint(
            "apitoken",
            models.CheckConstraint(
                condition=Q(scopes__contained_by=SCOPES) & Q(scopes__len__gt=0), name="token_scopes_known"
            ),
        ),
    ]

"""Which job answers identical requests, which jobs wait for it, and whose run a result comes from."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_retries"), ("models_registry", "0002_promotions")]
    operations = [
        migrations.AddField(
            "jobresult",
            "source",
            models.UUIDField(help_text="The identical job that ran for it; it may be gone.", null=True),
        ),
        migrations.CreateModel(
            "CacheEntry",
            fields=[
                (
                    "key",
                    models.BinaryField(
                        help_text="SHA-256 of what is identical.", max_length=32, primary_key=True,
                        serialize=False,
                    ),
                ),
                ("ttl_s", models.FloatField(help_text="For so long after its end the job's result answers.")),
                ("expires_at", models.DateTimeField()),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING,
                        to="jobs.job",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE,
                        to="models_registry.modelversion",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "cache entries",
                "indexes": [models.Index("expires_at", name="cache_entry_expires")],
            },
        ),
        migrations.CreateModel(
            "Follower",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="follows",
                        serialize=False, to="jobs.job",
                    ),
                ),
                ("leader", models.UUIDField()),
                (
                    "key",
                    models.BinaryField(
                        help_text="Of the CacheEntry that names who may lead instead.", max_length=32
                    ),
                ),
                ("priority", models.PositiveSmallIntegerField()),
                ("deadline", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index("leader", F("priority").desc(), "job", name="follower_by_leader"),
                    models.Index("deadline", condition=Q(deadline__isnull=False), name="follower_deadline"),
                ],
            },
        ),
    ]

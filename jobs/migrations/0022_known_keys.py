"""The keys that a database's secrets were made with are known to it, by their digests."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("jobs", "0021_leases")]
    operations = [
        migrations.CreateModel(
            "KnownKey",
            fields=[
                (
                    "name",
                    models.CharField(
                        help_text="SECRET_KEY, or payload:NAME.",
                        max_length=31,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("digest", models.BinaryField()),
                ("since", models.DateTimeField(db_default=Now())),
            ],
        ),
    ]

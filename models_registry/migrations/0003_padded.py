"""`ModelVersion.pads` is called `padded`; its column keeps its name, so the database is not touched."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0002_promotions")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("modelversion", "pads", "padded"),
                migrations.AlterField(
                    "modelversion",
                    "padded",
                    models.BooleanField(
                        db_column="pads",
                        default=False,
                        help_text="Items of a batch are padded to the longest, so that length matters.",
                    ),
                ),
            ]
        )
    ]

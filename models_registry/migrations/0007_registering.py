from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0005_formats")]

    operations = [
        migrations.AddField(
            "modelversion",
            "source",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where the stored artifact was fetched from, its branch or alias resolved.",
                max_length=1000,
            ),
        ),
        migrations.AddField(
            "modelversion",
            "origin",
            models.JSONField(
                blank=True, help_text="Who trained it, on which data and code, and its metrics.", null=True
            ),
        ),
    ]

"""The reason of a move of an alias, the right to move one by a page, and an index for its history."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0008_loads")]

    operations = [
        migrations.AlterModelOptions(
            name="alias",
            options={
                "permissions": [("move_alias", "Can move an alias to another version")],
                "verbose_name_plural": "aliases",
            },
        ),
        migrations.AddField(
            model_name="promotion",
            name="reason",
            field=models.TextField(blank=True, db_default="", help_text="What a person gave as the reason."),
        ),
        migrations.AddField(
            model_name="aliasmove",
            name="reason",
            field=models.TextField(blank=True, db_default="", help_text="What a person gave as the reason."),
        ),
        migrations.AddIndex(
            model_name="promotion",
            index=models.Index(models.F("model"), models.F("alias"), models.F("id"), name="promotion_by_alias"),
        ),
    ]

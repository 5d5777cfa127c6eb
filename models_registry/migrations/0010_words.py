from django.db import migrations


class Migration(migrations.Migration):
    """Names of rows in the words of the glossary, as the admin shows them; no statement is run."""

    dependencies = [("models_registry", "0009_pages")]

    operations = [
        migrations.AlterModelOptions("modelversion", {"verbose_name": "version"}),
        migrations.AlterModelOptions("registeredmodel", {"verbose_name": "model"}),
    ]

"""The plan of a rule's cascade."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('models_registry', '0014_flags'),
    ]

    operations = [
        migrations.AddField(
            model_name='rule',
            name='steps',
            field=models.JSONField(blank=True, help_text='The plan of its cascade, as it was when the rule was put.', null=True),
        ),
    ]

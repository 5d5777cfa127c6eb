"""The zones of workers."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0071_scaling'),
    ]

    operations = [
        migrations.AddField(
            model_name='worker',
            name='zone',
            field=models.CharField(blank=True, db_default='', help_text='Where it runs, by its setting ZONE.', max_length=63),
        ),
    ]

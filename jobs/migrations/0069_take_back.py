"""What a stopped roll-out has still to take back, so that a process which dies leaves it to be done."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0066_rollouts'),
    ]

    operations = [
        migrations.CreateModel(
            name='TakeBack',
            fields=[
                ('rollout', models.BigIntegerField(primary_key=True, serialize=False)),
                ('closes', models.BooleanField(help_text="Close the candidate's circuit afterwards.")),
                ('taken', models.PositiveIntegerField(db_default=0, help_text='Jobs that were taken back so far.')),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
    ]

"""What each worker holds in memory, and moves of aliases that wait for it; the rows of failed loads go."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('models_registry', '0005_formats'),
    ]

    operations = [
        migrations.CreateModel(
            name='AliasMove',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('alias', models.CharField(max_length=63)),
                ('actor', models.CharField(max_length=127)),
                ('address', models.GenericIPAddressField(help_text='Empty for a command.', null=True)),
                ('state', models.CharField(choices=[('loading', 'workers load the version first'), ('moved', 'Moved'), ('failed', 'Failed')], default='loading', max_length=8)),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('until', models.DateTimeField(help_text='When it fails, unless all workers have the version by then.')),
                ('ended_at', models.DateTimeField(null=True)),
                ('outcome', models.TextField(blank=True, db_default='', help_text='Why it failed, or whom it waits for.')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='moves', to='models_registry.registeredmodel')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='moves', to='models_registry.modelversion')),
            ],
        ),
        migrations.CreateModel(
            name='VersionLoad',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('node', models.CharField(help_text="Celery's node name of the worker.", max_length=255)),
                ('state', models.CharField(choices=[('loading', 'Loading'), ('ready', 'Ready'), ('failed', 'Failed')], max_length=8)),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When the state began.')),
                ('load_s', models.FloatField(help_text='Seconds that the load took.', null=True)),
                ('memory_bytes', models.BigIntegerField(help_text="What it occupies of the device's memory.", null=True)),
                ('reason', models.TextField(blank=True, db_default='', help_text='Why the last load failed; empty once one succeeded.')),
                ('tries', models.PositiveIntegerField(db_default=0, help_text='Failed loads since the last that succeeded.')),
                ('tried_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When the last load began or failed.')),
                ('next_try_at', models.DateTimeField(help_text='No worker of this name tries earlier, because the last load outlived its limit.', null=True)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='loads', to='models_registry.modelversion')),
            ],
        ),
        migrations.DeleteModel(
            name='LoadFailure',
        ),
        migrations.AddConstraint(
            model_name='aliasmove',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'loading')), fields=('model', 'alias'), name='alias_move_one_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='versionload',
            constraint=models.UniqueConstraint(fields=('version', 'node'), name='version_load_once_per_node'),
        ),
    ]

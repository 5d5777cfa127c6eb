"""Routes of jobs, what the judge of roll-outs reads and keeps, trials of versions, and two scopes of tokens."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


NOW = """
CREATE TRIGGER jobs_rule_now BEFORE INSERT ON models_registry_rule
  FOR EACH ROW EXECUTE FUNCTION jobs_promotion_now();
"""
NOT_NOW = "DROP TRIGGER jobs_rule_now ON models_registry_rule"
SCOPES = ["submit", "read", "cancel", "replay", "erase", "register", "roll_out", "approve", "admin"]


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0065_device_memory'),
        ('models_registry', '0011_rollouts'),
    ]

    operations = [
        migrations.RemoveConstraint("apitoken", "token_scopes_known"),
        migrations.AddConstraint(
            "apitoken",
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=SCOPES) & models.Q(scopes__len__gt=0),
                name="token_scopes_known",
            ),
        ),
        migrations.CreateModel(
            name='Evidence',
            fields=[
                ('rollout', models.BigIntegerField(primary_key=True, serialize=False)),
                ('document', models.JSONField(default=dict)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name_plural': 'evidence',
            },
        ),
        migrations.CreateModel(
            name='Route',
            fields=[
                ('job', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='route', serialize=False, to='jobs.job')),
                ('rollout', models.BigIntegerField(help_text='The roll-out under which it was decided.', null=True)),
                ('rule', models.BigIntegerField(help_text="The rule's row id; empty for a circuit's fallback.", null=True)),
                ('arm', models.CharField(choices=[('candidate', 'candidate'), ('baseline', 'baseline'), ('stable', 'stable'), ('fallback', 'fallback')], max_length=9)),
                ('key', models.BigIntegerField(help_text='Eight bytes of a keyed digest of what decided; equal values, equal versions.', null=True)),
                ('counted', models.BooleanField(db_default=False, help_text='Whether its first attempt is evidence; of the stable arm a sample is.')),
                ('asked', models.CharField(help_text='The model as the client wrote it.', max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='FailedKey',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('rollout', models.BigIntegerField()),
                ('key', models.BigIntegerField()),
                ('kind', models.CharField(choices=[('failed', 'failed'), ('refused', 'refused')], max_length=7)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('rollout', 'kind', 'key'), name='failed_key_once')],
            },
        ),
        migrations.CreateModel(
            name='RolloutPoint',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('rollout', models.BigIntegerField()),
                ('act', models.CharField(blank=True, db_default='', help_text='Empty: a look that kept it.', max_length=31)),
                ('document', models.JSONField(help_text='Share, jobs met, keys and failures of each arm, e-values.')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'indexes': [models.Index(models.F('rollout'), models.F('id'), name='rollout_point_order')],
            },
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('rollout', models.BigIntegerField()),
                ('arm', models.CharField(choices=[('candidate', 'candidate'), ('baseline', 'baseline'), ('stable', 'stable'), ('fallback', 'fallback')], max_length=9)),
                ('keys', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='Of its counted first attempts.', size=None)),
                ('failed', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, help_text='Those of them that failed.', size=None)),
                ('refused', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, help_text='Those whose input was refused.', size=None)),
                ('broken', models.BooleanField(db_default=False)),
                ('deaths', models.PositiveSmallIntegerField(db_default=0, help_text='Workers that died with its jobs.')),
                ('latency_s', models.FloatField(help_text="From the oldest member's admission to its verdict.", null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name_plural': 'tallies',
                'indexes': [models.Index(models.F('rollout'), models.F('id'), name='tally_by_rollout')],
            },
        ),
        migrations.CreateModel(
            name='Trial',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('gate', 'Gate'), ('duel', 'Duel'), ('backtest', 'Backtest')], max_length=8)),
                ('rollout', models.BigIntegerField(null=True)),
                ('model', models.CharField(max_length=63)),
                ('spec', models.JSONField(default=dict, help_text='What was asked for.')),
                ('state', models.CharField(choices=[('waiting', 'a worker of its model takes it'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='waiting', max_length=9)),
                ('worker', models.UUIDField(help_text='The worker incarnation that runs it.', null=True)),
                ('node', models.CharField(blank=True, db_default='', max_length=255)),
                ('beat_at', models.DateTimeField(help_text='When its worker last wrote: silent, another takes it.', null=True)),
                ('progress', models.JSONField(default=dict)),
                ('report', models.JSONField(null=True)),
                ('outcome', models.TextField(blank=True, db_default='', help_text='Why it failed, or its result in a sentence.')),
                ('actor', models.CharField(max_length=127)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('candidate', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='models_registry.modelversion')),
                ('stable', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='models_registry.modelversion')),
            ],
            options={
                'indexes': [models.Index(models.F('model'), models.F('id'), condition=models.Q(('ended_at__isnull', True)), name='trial_open'), models.Index(models.F('rollout'), models.F('id'), condition=models.Q(('rollout__isnull', False)), name='trial_of_rollout')],
            },
        ),
        migrations.RunSQL(NOW, NOT_NOW),
    ]

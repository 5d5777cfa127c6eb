"""States of versions, rules that are only appended, roll-outs and their approvals."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


PROTECT = """
CREATE TRIGGER rule_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON models_registry_rule
  FOR EACH STATEMENT EXECUTE FUNCTION models_registry_append_only();
"""
UNPROTECT = "DROP TRIGGER rule_append_only ON models_registry_rule"


class Migration(migrations.Migration):

    dependencies = [
        ('models_registry', '0010_words'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='modelversion',
            options={'permissions': [('register', 'Can register versions of models'), ('block', 'Can stage, retire, block and unblock versions')], 'verbose_name': 'version'},
        ),
        migrations.AddField(
            model_name='modelversion',
            name='state',
            field=models.CharField(choices=[('draft', 'draft'), ('staged', 'staged'), ('retired', 'retired'), ('blocked', 'blocked')], db_default='staged', default='staged', help_text='Only a staged version can be routed to.', max_length=7),
        ),
        migrations.AddField(
            model_name='registeredmodel',
            name='approvals',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text='People who have to approve a roll-out, beside whoever started it.'),
        ),
        migrations.CreateModel(
            name='Rollout',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('alias', models.CharField(max_length=63)),
                ('plan', models.JSONField(help_text='A Plan, with every field.')),
                ('sha256', models.CharField(help_text='Of the plan and both versions: what approvals are for.', max_length=64)),
                ('salt', models.CharField(help_text='What its shares are drawn by.', max_length=64)),
                ('state', models.CharField(choices=[('planned', 'planned'), ('gating', 'gating'), ('running', 'running'), ('held', 'held'), ('baking', 'baking'), ('done', 'done'), ('refused', 'refused'), ('rolled_back', 'rolled_back'), ('cancelled', 'cancelled')], default='planned', max_length=11)),
                ('hold', models.CharField(blank=True, choices=[('budget', 'budget'), ('starved', 'starved'), ('suspicious', 'suspicious'), ('worker_death', 'worker_death'), ('paused', 'paused'), ('approval', 'approval')], db_default='', help_text='Why it is held; empty unless it is.', max_length=15)),
                ('sentence', models.TextField(blank=True, db_default='', help_text='How it stands, for people.')),
                ('step', models.PositiveSmallIntegerField(db_default=0, help_text="The index in the plan's steps.")),
                ('share_ppm', models.PositiveIntegerField(db_default=0, help_text="The candidate's share now, per million.")),
                ('budget', models.PositiveIntegerField(help_text='Jobs that the candidate may meet until it is proven.')),
                ('met', models.PositiveIntegerField(db_default=0, help_text='Jobs that the candidate has claimed.')),
                ('proven', models.BooleanField(db_default=False, help_text='Whether the budget has ceased to matter.')),
                ('deaths', models.PositiveSmallIntegerField(db_default=0, help_text='Workers that died with its jobs.')),
                ('rule', models.PositiveBigIntegerField(help_text='Its rule that is or was last in force.', null=True)),
                ('actor', models.CharField(max_length=127)),
                ('address', models.GenericIPAddressField(help_text='Empty for a command.', null=True)),
                ('reason', models.TextField(blank=True, db_default='', help_text='What a person gave as the reason.')),
                ('ticket', models.CharField(blank=True, db_default='', help_text='Of the change, elsewhere.', max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('state_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('step_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='models_registry.modelversion')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rollouts', to='models_registry.registeredmodel')),
                ('stable', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='models_registry.modelversion')),
            ],
            options={
                'permissions': [('roll_out', 'Can start, pause, resume, promote and roll back roll-outs'), ('approve', 'Can approve roll-outs')],
            },
        ),
        migrations.CreateModel(
            name='RolloutApproval',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('actor', models.CharField(max_length=127)),
                ('sha256', models.CharField(max_length=64)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('rollout', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='approvals', to='models_registry.rollout')),
            ],
        ),
        migrations.CreateModel(
            name='Rule',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('model', models.CharField(max_length=63)),
                ('alias', models.CharField(max_length=63)),
                ('number', models.PositiveIntegerField(help_text='Counts the rules of the alias, from 1.')),
                ('document', models.JSONField(help_text='A RuleDocument; without a candidate the alias works as without.')),
                ('sha256', models.CharField(help_text='Of the document as canonical JSON.', max_length=64)),
                ('rollout', models.PositiveBigIntegerField(help_text='The roll-out that made it, if one did.', null=True)),
                ('actor', models.CharField(max_length=127)),
                ('reason', models.TextField(blank=True, db_default='')),
                ('approvals', models.JSONField(default=list, help_text='Who approved the document, and when.')),
                ('address', models.GenericIPAddressField(help_text='Empty for a command or the platform itself.', null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('model', 'alias', 'number'), name='rule_number_once_per_alias')],
            },
        ),
        migrations.AddField(
            model_name='alias',
            name='rule',
            field=models.ForeignKey(blank=True, db_constraint=False, db_index=False, help_text='The rule in force where it has a candidate; empty: the version answers.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='models_registry.rule'),
        ),
        migrations.AddConstraint(
            model_name='rollout',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['baking', 'gating', 'held', 'planned', 'running'])), fields=('model', 'alias'), name='rollout_one_live_per_alias'),
        ),
        migrations.AddConstraint(
            model_name='rolloutapproval',
            constraint=models.UniqueConstraint(fields=('rollout', 'actor', 'sha256'), name='rollout_approval_once'),
        ),
        migrations.RunSQL(PROTECT, UNPROTECT),
    ]

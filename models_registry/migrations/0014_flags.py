"""Flags in force, and every change of one, which is only appended."""

import django.core.validators
import django.db.models.functions.datetime
from django.db import migrations, models


PROTECT = """
CREATE FUNCTION models_registry_flag_now() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.at := now();
  RETURN NEW;
END $$;
CREATE TRIGGER flag_change_now BEFORE INSERT ON models_registry_flagchange
  FOR EACH ROW EXECUTE FUNCTION models_registry_flag_now();
CREATE TRIGGER flag_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON models_registry_flagchange
  FOR EACH STATEMENT EXECUTE FUNCTION models_registry_append_only();
"""
UNPROTECT = """
DROP TRIGGER flag_change_append_only ON models_registry_flagchange;
DROP TRIGGER flag_change_now ON models_registry_flagchange;
DROP FUNCTION models_registry_flag_now();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('models_registry', '0013_alias_words'),
    ]

    operations = [
        migrations.CreateModel(
            name='Flag',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=63, unique=True, validators=[django.core.validators.RegexValidator('^[a-z0-9][a-z0-9._-]{0,62}\\Z', 'Use lower-case letters, digits, dots, dashes.')])),
                ('number', models.PositiveIntegerField(help_text='Counts the changes of the flag, from 1.')),
                ('document', models.JSONField(help_text='A FlagDocument.')),
                ('sha256', models.CharField(help_text='Of the document as canonical JSON.', max_length=64)),
                ('expires_at', models.DateTimeField(help_text='When it is to be removed; it works on after that.')),
                ('actor', models.CharField(max_length=127)),
                ('reason', models.TextField(blank=True, db_default='')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='Since when it is as it is.')),
            ],
        ),
        migrations.CreateModel(
            name='FlagChange',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=63)),
                ('number', models.PositiveIntegerField(help_text='Counts the changes of the flag, from 1.')),
                ('document', models.JSONField(blank=True, help_text='Empty: the flag was removed.', null=True)),
                ('sha256', models.CharField(blank=True, default='', max_length=64)),
                ('actor', models.CharField(max_length=127)),
                ('reason', models.TextField(blank=True, db_default='')),
                ('address', models.GenericIPAddressField(help_text='Empty for a command.', null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('name', 'number'), name='flag_change_once_per_number')],
            },
        ),
        migrations.RunSQL(PROTECT, UNPROTECT),
    ]

"""Tokens have scopes and successors; events say from where, and cannot be changed."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import Q

import jobs.core.access.scopes

# A row goes only by a transaction that says so: SET LOCAL inference.retention = 'on'. None changes, ever.
PROTECT = """
CREATE FUNCTION jobs_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP IN ('DELETE', 'TRUNCATE') AND current_setting('inference.retention', true) = 'on' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation', HINT = 'manage.py forget_events is the way by which old rows go.';
END $$;
CREATE TRIGGER jobs_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON jobs_event
  FOR EACH STATEMENT EXECUTE FUNCTION jobs_event_append_only();
"""
UNPROTECT = """
DROP TRIGGER jobs_event_append_only ON jobs_event;
DROP FUNCTION jobs_event_append_only();
"""
SCOPES = ["submit", "read", "cancel", "replay", "admin"]


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_letters")]
    operations = [
        migrations.AddField(
            "apitoken",
            "scopes",
            ArrayField(
                base_field=models.CharField(max_length=15),
                default=jobs.core.access.scopes.default_scopes,
                size=None,
            ),
        ),
        migrations.AddField(
            "apitoken",
            "replaces",
            models.ForeignKey(
                db_index=False,
                help_text="The token it was rotated from.",
                null=True,
                on_delete=models.SET_NULL,
                to="jobs.apitoken",
            ),
        ),
        migrations.AddConstraint(
            "apitoken",
            models.CheckConstraint(
                condition=Q(scopes__contained_by=SCOPES, scopes__len__gt=0), name="token_scopes_known"
            ),
        ),
        migrations.AlterField(
            "event",
            "job",
            models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=models.DO_NOTHING,
                related_name="events",
                to="jobs.job",
            ),
        ),
        migrations.AddField(
            "event",
            "address",
            models.GenericIPAddressField(help_text="Whoever did it was there.", null=True),
        ),
        migrations.AddField(
            "event",
            "token",
            models.PositiveBigIntegerField(help_text="The id of the token that it was done by.", null=True),
        ),
        migrations.RunSQL(PROTECT, UNPROTECT),
    ]

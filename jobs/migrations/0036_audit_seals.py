"""The audit is sealed by a chain of hashes, and old events go by a function of its owner alone."""

from django.db import migrations, models
from django.db.models.functions import Now

# A seal follows the one before and covers events that there are; the one who makes it owns neither table.
FOLLOWS = """
CREATE FUNCTION jobs_auditseal_follows() RETURNS trigger
LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
DECLARE
  before jobs_auditseal;
BEGIN
  SELECT * INTO before FROM jobs_auditseal ORDER BY id DESC LIMIT 1;
  IF NEW.previous <> COALESCE(before.hash, decode(repeat('00', 32), 'hex'))
    OR NEW.first_id <= COALESCE(before.last_id, 0) OR NEW.last_id < NEW.first_id
    OR NEW.last_id > (SELECT max(id) FROM jobs_event)
  THEN
    RAISE EXCEPTION 'this seal does not follow the last one' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER jobs_auditseal_follows BEFORE INSERT ON jobs_auditseal
  FOR EACH ROW EXECUTE FUNCTION jobs_auditseal_follows();
CREATE TRIGGER jobs_auditseal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON jobs_auditseal
  FOR EACH STATEMENT EXECUTE FUNCTION jobs_event_append_only();
"""
# Whole seals go, so that the others can still be verified. `jobs_events_days` is made anew by the owner
# (`apply_rights`, from EVENTS_DAYS): another role deletes nothing younger, and nothing at all where it is 0.
FORGET = """
CREATE FUNCTION jobs_events_days() RETURNS int LANGUAGE sql AS 'SELECT 0';
CREATE FUNCTION jobs_forget_events(days int, most int) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {schema}, pg_temp AS $$
DECLARE
  least int := jobs_events_days();
  young timestamptz := now() - make_interval(days => days);
  until_id bigint;
  gone bigint;
BEGIN
  IF days < 1 OR (least = 0 OR days < least) AND NOT pg_has_role(
    session_user, (SELECT relowner FROM pg_class WHERE oid = 'jobs_event'::regclass), 'MEMBER')
  THEN
    RAISE EXCEPTION 'the audit keeps events of that age' USING ERRCODE = 'insufficient_privilege',
      HINT = 'Set EVENTS_DAYS for the process that migrates, and migrate.';
  END IF;
  SELECT max(last_id) INTO until_id FROM (
    SELECT last_id, sum(row_count) OVER (ORDER BY id) - row_count AS before FROM jobs_auditseal
    WHERE last_id >= (SELECT min(id) FROM jobs_event)
      AND id < COALESCE((SELECT min(id) FROM jobs_auditseal WHERE newest_at >= young), 9223372036854775807)
  ) AS seal WHERE before < most;
  PERFORM set_config('inference.retention', 'on', true);
  DELETE FROM jobs_event WHERE id <= until_id;
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM set_config('inference.retention', 'off', true);
  RETURN gone;
END $$;
REVOKE ALL ON FUNCTION jobs_forget_events FROM PUBLIC;
"""


def create(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        ((schema,),) = cursor.fetchall()
    for function in (FOLLOWS, FORGET):
        schema_editor.execute(function.format(schema=schema), params=None)
    schema_editor.execute("ALTER TABLE jobs_auditseal ALTER COLUMN row_hashes SET STORAGE EXTERNAL")


def drop(apps, schema_editor):
    schema_editor.execute("DROP TRIGGER jobs_auditseal_follows ON jobs_auditseal")
    schema_editor.execute("DROP TRIGGER jobs_auditseal_append_only ON jobs_auditseal")
    schema_editor.execute("DROP FUNCTION jobs_auditseal_follows, jobs_forget_events, jobs_events_days")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0035_partition_functions")]
    operations = [
        migrations.CreateModel(
            "AuditSeal",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("first_id", models.BigIntegerField(help_text="The first event that it covers.")),
                ("last_id", models.BigIntegerField(help_text="The last event that it covers.")),
                ("row_count", models.IntegerField(help_text="How many events it covers.")),
                ("row_hashes", models.BinaryField(help_text="The SHA-256 of each event, one after another.")),
                ("previous", models.BinaryField(help_text="The hash of the seal before.", unique=True)),
                ("hash", models.BinaryField(unique=True)),
                ("mac", models.BinaryField(help_text="The hash, signed with a key derived from SECRET_KEY.")),
                ("newest_at", models.DateTimeField(help_text="The time of its newest event.")),
                ("made_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.RunPython(create, drop),
    ]

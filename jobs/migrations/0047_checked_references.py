"""What every job writes locks no other row: its references are checked where their target is deleted."""

import django.db.models.deletion
from django.db import migrations, models

# A foreign key locked the same client and version for every job, and checked what the statement had just
# read or made. Targets are not deleted while they have jobs, as before. One that is deleted while a submit,
# which read it before, commits a job leaves an orphan, which no program here can make.
REFUSE = """
CREATE FUNCTION jobs_client_unused() RETURNS trigger
LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM jobs_job WHERE client_id = OLD.id) THEN
    RAISE EXCEPTION 'client % has jobs', OLD.id USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER jobs_client_unused AFTER DELETE ON jobs_client
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION jobs_client_unused();
CREATE FUNCTION jobs_version_unused() RETURNS trigger
LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM jobs_job WHERE version_id = OLD.id)
    OR EXISTS (SELECT FROM jobs_batch WHERE version_id = OLD.id)
  THEN
    RAISE EXCEPTION 'model version % has jobs or batches', OLD.id USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER jobs_version_unused AFTER DELETE ON models_registry_modelversion
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION jobs_version_unused();
CREATE FUNCTION jobs_job_unpublished() RETURNS trigger
LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM jobs_outbox WHERE job_id = OLD.id) THEN
    RAISE EXCEPTION 'job % is still to be published', OLD.id USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER jobs_job_unpublished AFTER DELETE ON jobs_job
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION jobs_job_unpublished();
"""
ALLOW = """
DROP TRIGGER jobs_client_unused ON jobs_client;
DROP TRIGGER jobs_version_unused ON models_registry_modelversion;
DROP TRIGGER jobs_job_unpublished ON jobs_job;
DROP FUNCTION jobs_client_unused, jobs_version_unused, jobs_job_unpublished;
"""


def refuse(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        ((schema,),) = cursor.fetchall()
    schema_editor.execute(REFUSE.format(schema=schema), params=None)


def allow(apps, schema_editor):
    schema_editor.execute(ALLOW, params=None)


def _reference(model, name, to):
    field = models.ForeignKey(
        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to=to
    )
    return migrations.AlterField(model, name, field)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0046_ended_tokens"), ("models_registry", "0004_load_failures")]
    operations = [
        _reference("job", "client", "jobs.client"),
        _reference("job", "version", "models_registry.modelversion"),
        _reference("outbox", "version", "models_registry.modelversion"),
        _reference("batch", "version", "models_registry.modelversion"),
        migrations.AlterField(
            "outbox",
            "job",
            models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                primary_key=True,
                related_name="outbox",
                serialize=False,
                to="jobs.job",
            ),
        ),
        migrations.RunPython(refuse, allow),
    ]

"""What the registry's services never do, to delete or change a version, leaves an event whoever does it."""

from django.db import migrations

TABLES = ("models_registry_registeredmodel", "models_registry_modelversion", "models_registry_alias")
PROTECT = """
CREATE FUNCTION jobs_note_registry() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
DECLARE
  named jsonb := to_jsonb(OLD);
BEGIN
  INSERT INTO jobs_event (kind, actor, detail) VALUES ('registry', 'database:' || session_user,
    jsonb_build_object('act', lower(TG_OP), 'table', TG_TABLE_NAME, 'id', named -> 'id', 'name', named -> 'name',
      'version', named -> 'version', 'sha256', named -> 'sha256'));
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_note_registry AFTER DELETE ON models_registry_registeredmodel
  FOR EACH ROW EXECUTE FUNCTION jobs_note_registry();
CREATE TRIGGER jobs_note_registry AFTER UPDATE OR DELETE ON models_registry_modelversion
  FOR EACH ROW EXECUTE FUNCTION jobs_note_registry();
CREATE TRIGGER jobs_note_registry AFTER DELETE ON models_registry_alias
  FOR EACH ROW EXECUTE FUNCTION jobs_note_registry();
"""


def create(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        ((schema,),) = cursor.fetchall()
    schema_editor.execute(PROTECT.format(schema=schema), params=None)


def drop(apps, schema_editor):
    for table in TABLES:
        schema_editor.execute(f"DROP TRIGGER jobs_note_registry ON {table}")
    schema_editor.execute("DROP FUNCTION jobs_note_registry")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0036_audit_seals"), ("models_registry", "0004_load_failures")]
    operations = [migrations.RunPython(create, drop)]

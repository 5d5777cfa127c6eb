"""Who may append to the audit can stop neither its seals nor its readers, nor choose a row's place or time."""

from django.db import migrations

# A transaction gets its number before its event gets an id: a statement that drew one and then took long would
# add it below ids that are sealed. What no program here writes could be too much for those who read it.
EVENTS = """
CREATE FUNCTION jobs_event_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_catalog.pg_current_xact_id();
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_event_in_order BEFORE INSERT ON jobs_event
  FOR EACH STATEMENT EXECUTE FUNCTION jobs_event_in_order();
ALTER TABLE jobs_event ADD CONSTRAINT event_detail_readable CHECK (
  jsonb_typeof(detail) = 'object' AND pg_column_size(detail) <= 1000000 AND NOT detail @? '$.**{20}'
  AND NOT detail @? '$.** ? (@.type() == "number" && (@ > 1e300 || @ < -1e300))'
) NOT VALID;
"""
PROMOTIONS = """
CREATE FUNCTION jobs_promotion_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.at := pg_catalog.statement_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER jobs_promotion_now BEFORE INSERT ON models_registry_promotion
  FOR EACH ROW EXECUTE FUNCTION jobs_promotion_now();
"""


def create(apps, schema_editor):
    for part in (EVENTS, PROMOTIONS):
        schema_editor.execute(part, params=None)


def drop(apps, schema_editor):
    schema_editor.execute("DROP TRIGGER jobs_promotion_now ON models_registry_promotion")
    schema_editor.execute("DROP TRIGGER jobs_event_in_order ON jobs_event")
    schema_editor.execute("ALTER TABLE jobs_event DROP CONSTRAINT event_detail_readable")
    schema_editor.execute("DROP FUNCTION jobs_promotion_now, jobs_event_in_order")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0044_size_in_memory"), ("models_registry", "0004_load_failures")]
    operations = [migrations.RunPython(create, drop)]

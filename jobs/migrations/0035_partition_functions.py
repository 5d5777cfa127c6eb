"""Partitions are made and dropped by functions of the tables' owner: those who run jobs own no table.

A function's names are resolved in its own search path, which nobody can put a table of theirs into: the
schema, and last the temporary tables.
"""

from django.db import migrations

# A role that reads results could keep a partition for ever by a transaction that it leaves open: it sets its own
# timeouts. Its sessions end where they are in the way for so long.
CHECK = """
CREATE FUNCTION jobs_check_window(root text, keep_days int, suffix text) RETURNS void
LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$ BEGIN
  IF keep_days NOT BETWEEN 1 AND 9999 OR suffix !~ ('^_k' || keep_days || '_[0-9]{{8}}$') OR NOT EXISTS (
    SELECT FROM pg_partitioned_table WHERE partrelid = to_regclass(root) AND partstrat = 'l'
  ) THEN
    RAISE EXCEPTION '% % % is no window', root, keep_days, suffix USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_terminate_backend(held.pid)
  FROM pg_locks AS held JOIN pg_stat_activity AS reader ON reader.pid = held.pid
  WHERE held.relation IN (SELECT relid FROM pg_partition_tree(to_regclass(root)))
    AND starts_with(reader.usename, 'results_') AND reader.xact_start < clock_timestamp() - interval '5 seconds'
    AND pg_has_role(current_user, 'pg_signal_backend', 'USAGE');
END $$;
"""
# The statements are those of `jobs.core.retention.partition_sql`, which says why they are in this order.
MAKE_CLASS = """
CREATE FUNCTION jobs_make_class(root text, keep_days int, suffixes text[], firsts uuid[], ends uuid[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
  class text := root || '_k' || keep_days;
  number int;
BEGIN
  PERFORM jobs_check_window(root, keep_days, '_k' || keep_days || '_00000000');
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY RANGE (job_id)', class, root);
  EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', class || '_other', class);
  FOR number IN 1 .. COALESCE(array_length(suffixes, 1), 0) LOOP
    PERFORM jobs_check_window(root, keep_days, suffixes[number]);
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
      root || suffixes[number], class, firsts[number], ends[number]);
  END LOOP;
  EXECUTE format('LOCK TABLE %I IN EXCLUSIVE MODE', root || '_other');
  EXECUTE format('WITH moved AS (DELETE FROM %I WHERE keep_days = %s RETURNING *)
    INSERT INTO %I SELECT * FROM moved', root || '_other', keep_days, class);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%s)', root, class, keep_days);
END $$;
"""
MAKE_WINDOW = """
CREATE FUNCTION jobs_make_window(root text, keep_days int, suffix text, first uuid, past uuid)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
  class text := root || '_k' || keep_days;
BEGIN
  PERFORM jobs_check_window(root, keep_days, suffix);
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', root || suffix, class);
  EXECUTE format('LOCK TABLE %I IN EXCLUSIVE MODE', class || '_other');
  EXECUTE format('WITH moved AS (DELETE FROM %I WHERE job_id >= %L AND job_id < %L RETURNING *)
    INSERT INTO %I SELECT * FROM moved', class || '_other', first, past, root || suffix);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    class, root || suffix, first, past);
END $$;
"""
DETACH_WINDOW = """
CREATE FUNCTION jobs_detach_window(root text, keep_days int, suffix text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ BEGIN
  PERFORM jobs_check_window(root, keep_days, suffix);
  EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', root || '_k' || keep_days, root || suffix);
END $$;
"""
DROP_WINDOW = """
CREATE FUNCTION jobs_drop_window(root text, keep_days int, suffix text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ BEGIN
  PERFORM jobs_check_window(root, keep_days, suffix);
  IF (SELECT relispartition FROM pg_class WHERE oid = to_regclass(root || suffix)) THEN
    RAISE EXCEPTION '% is in use', root || suffix USING ERRCODE = 'object_in_use';
  END IF;
  EXECUTE format('DROP TABLE %I', root || suffix);
END $$;
"""
FUNCTIONS = (CHECK, MAKE_CLASS, MAKE_WINDOW, DETACH_WINDOW, DROP_WINDOW)
NAMES = ("jobs_check_window", "jobs_make_class", "jobs_make_window", "jobs_detach_window", "jobs_drop_window")


def create(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        ((schema,),) = cursor.fetchall()
    for function in FUNCTIONS:
        schema_editor.execute(function.format(schema=schema), params=None)
    for name in NAMES:
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def drop(apps, schema_editor):
    for name in NAMES:
        schema_editor.execute(f"DROP FUNCTION {name}")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0034_attempt_messages")]
    operations = [migrations.RunPython(create, drop)]

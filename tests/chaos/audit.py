"""Triggers in the run's own database that record each change of a job and each stored result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

INSTALL = """
CREATE TABLE chaos_history (
  seq bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), kind text NOT NULL,
  job uuid NOT NULL, before text, after text, epoch int NOT NULL, attempts int
);
CREATE FUNCTION chaos_made() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, after, epoch, attempts)
  SELECT 'state', id, state, epoch, attempts FROM new_rows; RETURN NULL;
END $$;
-- The sweeper's sessions switch hash joins off, and this join of two row sets needs one.
CREATE FUNCTION chaos_moved() RETURNS trigger LANGUAGE plpgsql SET enable_hashjoin = on AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, before, after, epoch, attempts)
  SELECT 'state', n.id, o.state, n.state, n.epoch, n.attempts FROM new_rows n JOIN old_rows o USING (id)
  WHERE (n.state, n.epoch) <> (o.state, o.epoch); RETURN NULL;
END $$;
CREATE FUNCTION chaos_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, before, epoch, attempts)
  SELECT 'state', id, state, epoch, attempts FROM old_rows; RETURN NULL;
END $$;
CREATE FUNCTION chaos_stored() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, epoch) SELECT 'result', job_id, epoch FROM new_rows; RETURN NULL;
END $$;
CREATE TRIGGER chaos_made AFTER INSERT ON jobs_job
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_made();
CREATE TRIGGER chaos_moved AFTER UPDATE ON jobs_job
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_moved();
CREATE TRIGGER chaos_deleted AFTER DELETE ON jobs_job
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_deleted();
CREATE TRIGGER chaos_stored AFTER INSERT ON jobs_jobresult
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_stored();
CREATE TRIGGER chaos_stored_again AFTER UPDATE ON jobs_jobresult
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_stored();
"""
HISTORY = """
SELECT extract(epoch FROM at)::float8, kind, job::text, before, after, epoch, attempts
FROM chaos_history ORDER BY seq
"""
ROWS = """
SELECT job.id::text, job.state, job.epoch, job.attempts, job.max_attempts,
  (SELECT count(*) FROM jobs_jobresult result WHERE result.job_id = job.id), dead_letter.epoch
FROM jobs_job job LEFT JOIN jobs_deadletter dead_letter ON dead_letter.job_id = job.id
"""
SIDE_ROWS = {
    "the outbox": "SELECT count(*) FROM jobs_outbox",
    "open batches": "SELECT count(*) FROM jobs_batch WHERE finished_at IS NULL",
    "followers": "SELECT count(*) FROM jobs_follower",
    "unpublished dead letters": "SELECT count(*) FROM jobs_deadletter WHERE due IS NOT NULL",
}
_NAMES = ("at", "kind", "job", "before", "after", "epoch", "attempts")


def install(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(INSTALL)


def history(database: str) -> Iterator[dict[str, Any]]:
    """Yield the audit's rows as records, oldest first."""
    with psycopg.connect(database) as connection, connection.cursor("history") as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(HISTORY):
            yield dict(zip(_NAMES, row, strict=True))

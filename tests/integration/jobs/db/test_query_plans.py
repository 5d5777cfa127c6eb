"""The workers' statements find their rows by their keys, whatever the tables were when they were prepared."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from jobs.db.engine import engine
from jobs.models import Job
from jobs.services.lifecycle.claim import claim
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_jobs, make_worker

QUIET, BUSY, BATCH = 100, 5_000, 4
# An index that is read from end to end counts each row of it, too.
READ = sa.text("""
SELECT sum(seq_tup_read) + sum(idx_tup_fetch) + sum(COALESCE(
  (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0))
FROM pg_stat_user_tables t WHERE relname IN ('jobs_job', 'jobs_outbox')
""")
FLUSH = sa.text("SELECT pg_stat_force_next_flush()")


def claim_some(connection: sa.Connection, jobs: list[Job], worker: UUID) -> int:
    row = batch_row(worker=worker)
    envelopes = [envelope_of(job) for job in jobs]
    with connection.begin():
        return len(claim(connection, batch=row, envelopes=envelopes))


def rows_read(connection: sa.Connection) -> int:
    with connection.begin():
        connection.execute(FLUSH)
    with connection.begin():
        return int(connection.execute(READ).scalar_one())


def test_a_plan_from_a_quiet_hour_reads_no_table_of_a_busy_one(db: str) -> None:
    worker, quiet = make_worker().pk, make_jobs(QUIET)
    with engine().connect() as connection:
        with connection.begin():
            connection.execute(sa.text("ANALYZE jobs_job, jobs_outbox"))
        for at in range(0, QUIET, BATCH // 2):  # often enough for psycopg to prepare, and Postgres to keep
            claim_some(connection, quiet[at : at + BATCH // 2], worker)
        busy = make_jobs(BUSY)
        before = rows_read(connection)
        assert claim_some(connection, busy[:BATCH], worker) == BATCH
        assert rows_read(connection) - before < 20 * BATCH

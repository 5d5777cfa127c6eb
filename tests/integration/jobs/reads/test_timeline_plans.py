"""A timeline is quick at any number of jobs: its statements find their rows by keys, a bounded number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs.core.cause import Cause
from jobs.core.states import State
from jobs.core.timeline.attempt_marks import JobStage
from jobs.db.statement import Statement, fetch_all
from jobs.models import Batch, Job, Outbox, Worker
from jobs.services.reads import holds, timeline_rows
from jobs.services.reads.job_timeline import read_timeline
from tests.support.factories import make_batch, make_job, make_version, make_worker

ROWS = 60_000
# As many jobs and batches as in an hour of a busy service; the job in question waited for all of it.
FILL = """
INSERT INTO jobs_job (id, client_id, version_id, queue, priority, state, epoch, attempts, max_attempts,
  created_at, finished_at)
SELECT {id}, %(client)s, %(version)s, 'echo', 4, 'succeeded', 1, 1, 3, now(), now()
FROM generate_series(1, %(rows)s) AS n;
INSERT INTO jobs_batch (id, worker_id, version_id, members, size, padded_size, seal_reason, waited_s,
  succeeded, failed, released, fenced, claimed_at, finished_at)
SELECT {id}, %(worker)s, %(version)s, ARRAY[{id}], 1, 0, 'full', 0, 1, 0, 0, 0, now(), now()
FROM generate_series(1, %(rows)s) AS n;
INSERT INTO jobs_event (job_id, kind, actor, detail, at)
SELECT {id}, 'failed', 'worker', '{{}}', now() FROM generate_series(1, %(rows)s) AS n;
"""
# Of another model: a table of one row is rightly read from end to end.
OTHERS_WAIT = """
INSERT INTO jobs_outbox SELECT (jsonb_populate_record(waits,
  jsonb_build_object('job_id', gen_random_uuid(), 'queue', 'other'))).*
FROM (SELECT waits FROM jobs_outbox waits LIMIT 1) one, generate_series(1, 5000)
"""
ID = """CAST(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - n * 60), 12, '0') || '70008000'
  || lpad(to_hex(n), 12, '0') AS uuid)"""
# Small tables: a row a worker, a circuit, a version, a relay's outage.
LARGE = ("jobs_job", "jobs_batch", "jobs_event", "jobs_outbox", "jobs_deadletter", "jobs_follower")


@pytest.fixture
def jobs(db: str) -> Iterator[tuple[Job, Job]]:
    """Return a job that waits since an hour ago, and one that a worker buffered for an hour, among many."""
    waits, buffered, worker = make_job(), make_job(), make_worker()
    batch = make_batch(worker, make_version(), [buffered])
    since = timezone.now() - timedelta(hours=1)
    Job.objects.update(created_at=since)
    Outbox.objects.update(since=since)
    Worker.objects.update(started_at=since)
    Job.objects.filter(pk=buffered.pk).update(state=State.SUCCEEDED, finished_at=timezone.now())
    marks = {"due_ago_s": [3_600.0], "buffered_s": [3_590.0], "sealed_ago_s": 0.0, "claim_s": 0.0}
    Batch.objects.filter(pk=batch.pk).update(finished_at=timezone.now(), **marks)
    values: dict[str, Any] = {
        "client": waits.client_id, "version": waits.version_id, "worker": worker.pk, "rows": ROWS,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(id=ID), values)
        cursor.execute(OTHERS_WAIT)
        cursor.execute("ANALYZE jobs_job, jobs_batch, jobs_event, jobs_outbox")
    yield waits, buffered
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs_job, jobs_batch, jobs_outbox CASCADE")


def explained_of(job: Job) -> str:
    timeline = read_timeline(job.pk)
    assert timeline is not None
    return timeline.explanation


def test_no_statement_of_a_timeline_reads_a_large_table_from_end_to_end(
    jobs: tuple[Job, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = list[str]()

    def explained(statement: Statement[Any], values: dict[str, Any]) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {statement.sql}", values)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return fetch_all(statement, values)

    monkeypatch.setattr(holds, "fetch_all", explained)
    monkeypatch.setattr(timeline_rows, "fetch_all", explained)
    for job, part in zip(jobs, (JobStage.OUTBOX, JobStage.BUFFER), strict=True):
        timeline = read_timeline(job.pk)
        assert timeline is not None
        assert timeline.attempts[0].longest.part is part
        assert timeline.cause in {Cause.BACKLOG, Cause.BATCHMATES}
    assert f"Of {holds.MOST_BATCHES} jobs" in explained_of(jobs[0]), "it looks at no more"
    for plan in plans:
        assert not re.search(rf"Seq Scan on ({'|'.join(LARGE)})\b", plan), plan
        read = [int(rows) for rows in re.findall(r"actual rows=(\d+)", plan)]
        assert max(read, default=0) <= holds.MOST_MEMBERS, plan

"""An open batch that its live worker does not have in hand is taken back; one that it has is not."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from django.db.models import F

from jobs.core.failures import Success
from jobs.core.states import State
from jobs.db.session import transaction
from jobs.models import Job, JobResult, Outbox, Worker
from jobs.services.lifecycle import worker_row
from jobs.services.lifecycle.claim import claim, recover
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.settle import Verdict, settle
from jobs.services.lifecycle.sweeper import Rescuer, Swept
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_batch, make_job, make_jobs, make_version, make_worker

NOTHING = Swept(0, 0)
LATE_BATCH = """
INSERT INTO jobs_batch (id, worker_id, version_id, members, size, padded_size, seal_reason, waited_s,
  succeeded, failed, released, fenced)
VALUES (%s, %s, %s, %s, 1, 0, 'test', 0, 0, 0, 0, 0)
"""


@pytest.fixture
def sweeper() -> Rescuer:
    return Rescuer(stop=Event())


def beat(session: sa.Connection, worker: UUID, *batches: UUID) -> None:
    assert worker_row.beat(session, worker, lambda: batches).known


def test_a_batch_whose_settle_a_failover_lost_is_taken_back_uncharged(
    session: sa.Connection, sweeper: Rescuer
) -> None:
    worker, version = make_worker(), make_version()
    jobs = make_jobs(3)
    make_batch(worker, version, jobs, isolation_group=7)  # as before its settle, which the worker saw stored
    kept = make_batch(worker, version, make_jobs(1))
    assert sweeper.sweep(session) == NOTHING, "no heartbeat has named anything yet"
    beat(session, worker.id, kept.id)
    assert sweeper.sweep(session) == NOTHING, "one heartbeat may be of another clock"
    beat(session, worker.id, kept.id)
    assert sweeper.sweep(session) == Swept(3, 0)
    rows = Job.objects.filter(id__in=[job.id for job in jobs])
    assert set(rows.values_list("state", "attempts")) == {(State.QUEUED, 0)}
    apart = Outbox.objects.filter(job__in=rows).values_list("isolation_group", flat=True)
    assert set(apart) == {0}, "its worker lives, so none of them ended it"
    assert not JobResult.objects.exists()
    assert sweeper.sweep(session) == NOTHING


def test_a_batch_claimed_after_the_heartbeat_began_is_not_taken_back(
    session: sa.Connection, sweeper: Rescuer
) -> None:
    worker, version = make_worker(), make_version()

    def in_hand() -> list[UUID]:
        batches = list[UUID]()
        make_batch(worker, version, make_jobs(1))  # claimed in the middle of the heartbeat
        return batches

    assert worker_row.beat(session, worker.id, in_hand).known
    assert sweeper.sweep(session) == NOTHING
    for swept in (NOTHING, Swept(1, 0)):  # the next two heartbeats do not name it either
        beat(session, worker.id)
        assert sweeper.sweep(session) == swept


def test_a_batch_that_seems_older_than_a_heartbeat_by_another_clock_is_spared_once_it_is_named(
    session: sa.Connection, sweeper: Rescuer
) -> None:
    worker, version = make_worker(), make_version()
    beat(session, worker.id)
    Worker.objects.update(named_at=F("named_at") + timedelta(seconds=30))  # the old primary's clock was ahead
    batch = make_batch(worker, version, make_jobs(1))
    assert [sweeper.sweep(session) for _ in range(2)] == [NOTHING, NOTHING]
    beat(session, worker.id, batch.id)
    assert sweeper.sweep(session) == NOTHING


def test_a_claim_whose_commit_came_after_it_was_tried_again_is_taken_back(
    session: sa.Connection, db: str, sweeper: Rescuer
) -> None:
    job, worker = make_job(), make_worker()
    row = batch_row(worker=worker.id)
    with psycopg.connect(db) as lost:  # its answer never came, and its commit is still under way
        lost.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [job.id])
        assert recover(session, batch=row.id, jobs=[job.id]) == []
        assert claim(session, batch=row, envelopes=[envelope_of(job)]) == []
        lost.execute(
            "UPDATE jobs_job SET state = 'running', epoch = epoch + 1, attempts = 1, batch_id = %s"
            " WHERE id = %s",
            [row.id, job.id],
        )
        lost.execute("DELETE FROM jobs_outbox WHERE job_id = %s", [job.id])
        lost.execute(LATE_BATCH, [row.id, worker.id, row.version, [job.id]])
    assert Job.objects.get(id=job.id).state == State.RUNNING
    beat(session, worker.id, row.id)
    assert sweeper.sweep(session) == NOTHING, "the claim may still be under way"
    for swept in (NOTHING, Swept(1, 0)):
        beat(session, worker.id)
        assert sweeper.sweep(session) == swept
    assert Outbox.objects.filter(job=job).exists()


def test_the_verdict_of_a_claim_that_a_crash_lost_ends_no_later_run(session: sa.Connection) -> None:
    job, lost, later = make_job(), batch_row(), batch_row()
    message = envelope_of(job)
    outbox = Outbox.objects.get(job=job)
    assert claim(session, batch=lost, envelopes=[message])
    Job.objects.filter(id=job.id).update(state=State.QUEUED, epoch=0, attempts=0, batch_id=None)
    outbox.save(force_insert=True)
    assert claim(session, batch=later, envelopes=[message])
    verdict = Verdict(job.id, 1, Success(b'"of the lost claim"'))
    assert settle(session, batch=lost.id, verdicts=[verdict]) == ([], set())
    assert release(session, batch=lost.id, jobs=[(job.id, 1)]) == []
    settled, _ = settle(session, batch=later.id, verdicts=[verdict])
    assert [row.state for row in settled] == [State.SUCCEEDED]


def test_the_commit_of_a_claim_is_not_waited_for(session: sa.Connection) -> None:
    mode = sa.text("SHOW synchronous_commit")
    with transaction(session):
        assert claim(session, batch=batch_row(), envelopes=[envelope_of(make_job())])
        assert session.scalar(mode) == "off"
    assert session.scalar(mode) == "on"

"""A row that another transaction has locked delays no other row: claim, settle, release, reap, expiry."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Event
from types import SimpleNamespace
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.failures import Success
from jobs.core.messages.envelope import Envelope
from jobs.core.states import State
from jobs.db.session import transaction
from jobs.models import Batch, Job, Worker
from jobs.services.lifecycle.claim import BatchRow, Claimed, Standing, claim, standings
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.settle import Settled, Verdict, settle
from jobs.services.lifecycle.sweeper import Rescuer, Swept
from jobs.worker.stages.claimer import _claim
from tests.support import locked as locks
from tests.support.factories import make_batch, make_job, make_jobs, make_version, make_worker


def locked(db: str, job: UUID) -> AbstractContextManager[None]:
    """Hold a job's row, as a forgotten console does, or a worker that was stopped in its transaction."""
    return locks.locked(db, "jobs_job WHERE id = %s", job)


def claim_all(session: sa.Connection, jobs: list[Job]) -> tuple[UUID, list[Claimed]]:
    row = BatchRow(uuid4(), make_worker().id, make_version().id, 0, "test", 0.0)
    envelopes = [Envelope(job.id, job.epoch, job.version_id, 4) for job in jobs]
    return row.id, claim(session, batch=row, envelopes=envelopes)


def test_a_claim_takes_the_others_and_knows_the_locked_one_for_claimable(
    session: sa.Connection, db: str
) -> None:
    first, second = make_jobs(2)
    with locked(db, first.id):
        _, taken = claim_all(session, [first, second])
        assert [job.job for job in taken] == [second.id]
        seen = standings(session, epochs={first.id: first.epoch, second.id: second.epoch})
    assert seen == {
        first.id: Standing(State.QUEUED, claimable=True),
        second.id: Standing(State.RUNNING, claimable=False),
    }
    assert [job.job for job in claim_all(session, [first])[1]] == [first.id]


def test_a_claim_that_waited_for_an_outbox_row_in_vain_takes_the_others(
    session: sa.Connection, db: str
) -> None:
    first, second = make_jobs(2)
    row = BatchRow(uuid4(), make_worker().id, make_version().id, 0, "test", 0.0)
    deliveries = {
        job.id: SimpleNamespace(envelope=Envelope(job.id, 0, row.version, 4)) for job in (first, second)
    }
    with psycopg.connect(db) as console:
        console.execute("SELECT FROM jobs_outbox WHERE job_id = %s FOR UPDATE", [first.id])
        with transaction(session):
            taken = _claim(session, row, deliveries, tries=1)  # type: ignore[arg-type]  # only the envelopes count
        assert [job.job for job in taken] == [second.id]
        seen = standings(session, epochs={first.id: first.epoch})
        assert seen == {first.id: Standing(State.QUEUED, claimable=True)}
        with transaction(session):
            assert _claim(session, row, {first.id: deliveries[first.id]}, tries=1) == []  # type: ignore[dict-item]
        console.rollback()


def test_an_old_message_of_a_locked_job_is_not_claimable(session: sa.Connection) -> None:
    job, late = make_job(), make_job(deadline=timezone.now() - timedelta(seconds=1))
    assert not standings(session, epochs={job.id: job.epoch + 1})[job.id].claimable
    assert not standings(session, epochs={late.id: late.epoch})[late.id].claimable


def test_a_settle_stores_the_others_and_the_locked_one_later(session: sa.Connection, db: str) -> None:
    batch, taken = claim_all(session, make_jobs(3))
    verdicts = [Verdict(job.job, job.epoch, Success(b"{}")) for job in taken]
    held = verdicts[1].job
    with locked(db, held):
        settled, left = settle(session, batch=batch, verdicts=verdicts, ran_s=1.0)
    assert ({row.job for row in settled}, left) == ({v.job for v in verdicts} - {held}, {held})
    assert Batch.objects.get(id=batch).finished_at is None
    again, left = settle(session, batch=batch, verdicts=[verdicts[1]], ran_s=1.0)
    assert (again, left) == ([Settled(held, State.SUCCEEDED)], set())
    row = Batch.objects.get(id=batch)
    assert (row.succeeded, row.fenced, row.finished_at is None) == (3, 0, False)


def test_a_release_gives_the_others_back_and_leaves_the_locked_one_to_the_sweeper(
    session: sa.Connection, db: str
) -> None:
    batch, taken = claim_all(session, make_jobs(2))
    with locked(db, taken[0].job):
        released = release(session, batch=batch, jobs=[(job.job, job.epoch) for job in taken])
    assert released == [taken[1].job]
    assert Batch.objects.get(id=batch).finished_at is None
    Worker.objects.update(ended_at=timezone.now())
    assert Rescuer(stop=Event()).sweep(session) == Swept(1, 0)
    assert Batch.objects.get(id=batch).finished_at is not None


def test_a_sweep_takes_back_what_it_can_and_goes_on_to_the_next_batch_and_to_overdue_jobs(
    session: sa.Connection, db: str
) -> None:
    version, gone = make_version(), make_worker(ended_at=timezone.now())
    first, second = make_jobs(2), make_jobs(2)
    batches = [make_batch(gone, version, jobs) for jobs in (first, second)]
    overdue = make_job(deadline=timezone.now() - timedelta(seconds=1))
    sweeper = Rescuer(stop=Event())
    with locked(db, first[0].id):
        assert sweeper.sweep(session) == Swept(3, 1)
        assert Job.objects.get(id=first[0].id).state == State.RUNNING
    assert Job.objects.get(id=overdue.id).state == State.EXPIRED
    assert sweeper.sweep(session) == Swept(1, 0)
    assert not Batch.objects.filter(id__in=[b.id for b in batches], finished_at=None).exists()


def test_an_overdue_job_that_is_locked_delays_no_other(session: sa.Connection, db: str) -> None:
    past = timezone.now() - timedelta(seconds=1)
    first, second = make_job(deadline=past), make_job(deadline=past)
    with locked(db, first.id):
        assert Rescuer(stop=Event()).sweep(session) == Swept(0, 1)
    assert Rescuer(stop=Event()).sweep(session) == Swept(0, 1)
    assert set(Job.objects.values_list("state", flat=True)) == {State.EXPIRED}
    assert second.id != first.id


@pytest.mark.parametrize("table", ["jobs_batch", "jobs_worker"])
def test_a_locked_row_of_the_ledger_ends_no_sweep(session: sa.Connection, db: str, table: str) -> None:
    gone = make_worker(ended_at=timezone.now())
    make_batch(gone, make_version(), make_jobs(1))
    overdue = make_job(deadline=timezone.now() - timedelta(seconds=1))
    with psycopg.connect(db) as console:
        console.execute(f"SELECT FROM {table} FOR UPDATE")  # a name of this test
        Rescuer(stop=Event()).sweep(session)
        assert Job.objects.get(id=overdue.id).state == State.EXPIRED
        console.rollback()
    Rescuer(stop=Event()).sweep(session)
    assert not Batch.objects.filter(finished_at=None).exists()

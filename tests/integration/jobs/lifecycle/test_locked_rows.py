"""A row that another transaction has locked delays no other row: claim, settle, release, reap, expiry."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Event
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.failures import Success
from jobs.core.states import State
from jobs.db.session import transaction
from jobs.models import Batch, Job, Worker
from jobs.services.lifecycle.claim import Claimed, claim
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.settle import Settled, Verdict, settle
from jobs.services.lifecycle.standings import Pointer, Standing, standings
from jobs.services.lifecycle.sweeper import Rescuer, Swept
from jobs.worker.stages.claim_rows import claim_again
from tests.support import locked as locks
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_batch, make_job, make_jobs, make_version, make_worker


def locked(db: str, job: UUID) -> AbstractContextManager[None]:
    """Hold a job's row, as a forgotten console does, or a worker that was stopped in its transaction."""
    return locks.locked(db, "jobs_job WHERE id = %s", job)


def claim_all(session: sa.Connection, jobs: list[Job]) -> tuple[UUID, list[Claimed]]:
    row = batch_row(worker=make_worker().id)
    return row.id, claim(session, batch=row, envelopes=[envelope_of(job) for job in jobs])


def standings_of(session: sa.Connection, *jobs: Job) -> list[Standing | None]:
    return standings(session, pointers=[Pointer(job.model, envelope_of(job)) for job in jobs])


def test_a_claim_takes_the_others_and_knows_the_locked_one_for_claimable(
    session: sa.Connection, db: str
) -> None:
    first, second = make_jobs(2)
    with locked(db, first.id):
        _, taken = claim_all(session, [first, second])
        assert [job.job for job in taken] == [second.id]
        seen = standings_of(session, first, second)
    assert seen == [Standing(State.QUEUED, claimable=True), Standing(State.RUNNING, claimable=False)]
    assert [job.job for job in claim_all(session, [first])[1]] == [first.id]


def test_a_claim_that_waited_for_an_outbox_row_in_vain_takes_the_others(
    session: sa.Connection, db: str
) -> None:
    first, second = make_jobs(2)
    row = batch_row(worker=make_worker().id)
    deliveries: list[Any] = [
        SimpleNamespace(job=job.id, envelope=envelope_of(job), parcel=SimpleNamespace(received_at=0.0))
        for job in (first, second)
    ]
    with psycopg.connect(db) as console:
        console.execute("SELECT FROM jobs_outbox WHERE job_id = %s FOR UPDATE", [first.id])
        with transaction(session):
            taken = claim_again(session, row, deliveries)
        assert [job.job for job in taken] == [second.id]
        assert standings_of(session, first) == [Standing(State.QUEUED, claimable=True)]
        with transaction(session):
            assert claim_again(session, row, deliveries[:1]) == []
        console.rollback()


def test_an_old_message_of_a_locked_job_is_not_claimable(session: sa.Connection) -> None:
    job, late = make_job(), make_job(deadline=timezone.now() - timedelta(seconds=1))
    job.epoch += 1
    for standing in standings_of(session, job, late):
        assert standing is not None
        assert not standing.claimable


def test_a_settle_stores_the_others_and_the_locked_one_later(session: sa.Connection, db: str) -> None:
    batch, taken = claim_all(session, make_jobs(3))
    verdicts = [Verdict(job.job, job.epoch, Success(b"{}")) for job in taken]
    held = verdicts[1].job
    with locked(db, held):
        settled, left = settle(session, batch=batch, verdicts=verdicts)
    assert ({row.job for row in settled}, left) == ({v.job for v in verdicts} - {held}, {held})
    assert Batch.objects.get(id=batch).finished_at is None
    again, left = settle(session, batch=batch, verdicts=[verdicts[1]])
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

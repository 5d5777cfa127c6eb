from collections.abc import Iterator
from datetime import timedelta
from threading import Event
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.states import State
from jobs.models import Batch, DeadLetter, Job, Outbox, Worker
from jobs.services.sweep import LONGEST_GAP_S, STALE_S, Sweeper, Swept
from jobs.store import sweep as statements
from jobs.store.session import open_session, transaction
from tests.factories import make_batch, make_job, make_jobs, make_version, make_worker

PAST = timedelta(minutes=5)


class Clock:
    """Seconds that pass when the test says so."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def session(db: str) -> Iterator[sa.Connection]:
    with open_session() as session:
        yield session


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sweeper(clock: Clock) -> Sweeper:
    return Sweeper(stop=Event(), clock=clock)


def running_jobs(count: int, **worker: Any) -> tuple[list[Job], Batch]:
    jobs = make_jobs(count)
    return jobs, make_batch(make_worker(**worker), make_version(), jobs)


def states(jobs: list[Job]) -> set[tuple[str, int, int]]:
    rows = Job.objects.filter(id__in=[job.id for job in jobs])
    return set(rows.values_list("state", "epoch", "attempts"))


def test_the_jobs_of_an_ended_worker_are_queued_again_with_their_attempt_charged(
    session: sa.Connection, sweeper: Sweeper
) -> None:
    jobs, batch = running_jobs(3, ended_at=timezone.now())
    assert sweeper.sweep(session) == Swept(reaped=3, expired=0)
    assert states(jobs) == {("queued", 2, 1)}
    assert set(Outbox.objects.values_list("epoch", "published")) == {(2, 0)}
    batch.refresh_from_db()
    assert (batch.finished_at is not None, batch.released) == (True, 3)


def test_a_living_workers_batch_is_left_alone(session: sa.Connection, sweeper: Sweeper) -> None:
    jobs, _ = running_jobs(2)
    assert sweeper.sweep(session).reaped == 0
    assert states(jobs) == {("running", 1, 1)}


def test_a_stale_heartbeat_counts_only_once_the_sweeper_saw_the_database_up_that_long(
    session: sa.Connection, sweeper: Sweeper, clock: Clock
) -> None:
    jobs, batch = running_jobs(2, heartbeat_at=timezone.now() - PAST)
    for _ in range(int(STALE_S)):
        assert sweeper.sweep(session).reaped == 0
        clock.now += 1
    assert sweeper.sweep(session).reaped == 2
    assert Worker.objects.get(id=batch.worker_id).end_reason == "silent"
    assert states(jobs) == {("queued", 2, 1)}


def test_a_gap_in_the_sweepers_own_life_starts_the_wait_anew(
    session: sa.Connection, sweeper: Sweeper, clock: Clock
) -> None:
    running_jobs(1, heartbeat_at=timezone.now() - PAST)
    sweeper.sweep(session)
    clock.now += STALE_S + LONGEST_GAP_S
    assert sweeper.sweep(session).reaped == 0


def test_a_job_on_its_last_attempt_is_buried_as_a_crash(session: sa.Connection, sweeper: Sweeper) -> None:
    jobs, _ = running_jobs(2, ended_at=timezone.now())
    Job.objects.filter(id=jobs[0].id).update(attempts=3, max_attempts=3)
    assert sweeper.sweep(session).reaped == 2
    assert states(jobs[:1]) == {("dead", 2, 3)}
    letter = DeadLetter.objects.get(job=jobs[0])
    assert (letter.kind, letter.epoch) == ("crash", 2)
    assert not Outbox.objects.filter(job=jobs[0]).exists()
    assert Outbox.objects.filter(job=jobs[1]).exists()


def test_reap_touches_only_jobs_whose_batch_is_still_that_batch(
    session: sa.Connection, sweeper: Sweeper
) -> None:
    jobs, _ = running_jobs(2, ended_at=timezone.now())
    make_batch(make_worker(node="gpu-1@tests"), make_version(), jobs[:1])
    assert sweeper.sweep(session).reaped == 1
    assert states(jobs[:1]) == {("running", 1, 1)}


def test_what_settled_before_the_reap_stays_settled(session: sa.Connection, sweeper: Sweeper) -> None:
    jobs, _ = running_jobs(1, ended_at=timezone.now())
    Job.objects.update(state=State.SUCCEEDED, finished_at=timezone.now())
    assert sweeper.sweep(session).reaped == 0
    assert states(jobs) == {("succeeded", 1, 1)}


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING])
def test_a_job_that_waits_past_its_deadline_expires_and_leaves_the_outbox(
    session: sa.Connection, sweeper: Sweeper, services: dict[str, str], state: State
) -> None:
    late = make_job(state=state, deadline=timezone.now() - PAST)
    early = make_job(state=state, deadline=timezone.now() + PAST)
    with psycopg.connect(services["DATABASE_URL"], autocommit=True) as listener:
        listener.execute("LISTEN jobs_settled")
        assert sweeper.sweep(session) == Swept(reaped=0, expired=1)
        told = [notice.payload for notice in listener.notifies(timeout=5, stop_after=1)]
    assert told == [f"job:{late.id}"]
    assert states([late]) == {("expired", 1, 0)}
    assert list(Outbox.objects.values_list("job_id", flat=True)) == [early.id]


def test_a_job_claimed_meanwhile_does_not_expire(session: sa.Connection) -> None:
    jobs = make_jobs(1, deadline=timezone.now() - PAST)
    make_batch(make_worker(), make_version(), jobs)
    with transaction(session):
        assert statements.expire(session, [jobs[0].id]) == []
    assert states(jobs) == {("running", 1, 1)}


def test_more_than_one_chunk_expires_in_one_sweep(session: sa.Connection, sweeper: Sweeper) -> None:
    make_jobs(1_100, deadline=timezone.now() - PAST)
    assert sweeper.sweep(session).expired == 1_100
    assert not Outbox.objects.exists()

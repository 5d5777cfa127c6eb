"""Looks read about as much as there is, however many dead rows an open snapshot keeps; and they miss none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.queue_names import slow_queue
from jobs.core.whole_looks import WholeLooks
from jobs.db.engine import engine
from jobs.models import Client, Job, Outbox
from jobs.services.admission.surveyor import QueueSurveyor
from jobs.services.admission.waiting_count import WaitingCount
from jobs.services.lifecycle.claim import claim
from jobs.services.lifecycle.overdue import OverdueJobs
from jobs.services.relay.statements import DueRow, take_fresh, take_overdue
from jobs.services.relay.waiting_groups import WaitingGroups
from tests.support.churn import churn, open_snapshot
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_client, make_job, make_jobs, make_version, make_worker

DEAD, A_LOOK = 20_000, 500
ROOMY = dict.fromkeys(range(10), 1_000)
LONG_AGO = timedelta(hours=3)
READ = sa.text("""
SELECT seq_tup_read + idx_tup_fetch + (
  SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'jobs_outbox')
FROM pg_stat_user_tables WHERE relname = 'jobs_outbox'
""")
FLUSH = sa.text("SELECT pg_stat_force_next_flush()")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        self.now_s += 1e-4
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def looks(clock: Clock) -> WaitingGroups:
    return WaitingGroups("echo", clock=clock)


@pytest.fixture
def client(db: str) -> Client:
    return make_client("app")


@pytest.fixture
def dead(db: str, client: Client) -> Iterator[None]:
    """Keep dead rows of the outbox for as long as a test runs."""
    with open_snapshot(db):
        churn(db, DEAD, version=make_version("echo").pk, clients=[client.pk], ended_s=60)
        yield


def never_again(looks: WholeLooks, _seconds: float, *, began: float) -> None:
    looks._due_at = began + 1e9


def rows_read(session: sa.Connection) -> int:
    session.execute(FLUSH)
    return int(session.execute(READ).scalar_one())


def taken(session: sa.Connection, looks: WaitingGroups) -> set[object]:
    rows: list[DueRow] = take_fresh(session, "echo", rooms=ROOMY, most=1_000, fresh=looks.fresh(session))
    return {row.envelope.job for row in rows}


def look_at_everything(session: sa.Connection, looks: WaitingGroups) -> None:
    looks.in_flight.any_overdue(session)
    looks.in_flight.count(session)
    taken(session, looks)


def test_a_look_reads_no_dead_rows_of_the_past(
    dead: None, looks: WaitingGroups, clock: Clock, client: Client, session: sa.Connection
) -> None:
    look_at_everything(session, looks)
    clock.now_s += 1
    look_at_everything(session, looks)
    jobs = make_jobs(5, client=client)
    before = rows_read(session)
    assert taken(session, looks) == {job.id for job in jobs}
    assert sum(looks.in_flight.count(session).values()) == 5
    assert not looks.in_flight.any_overdue(session)
    assert rows_read(session) - before < A_LOOK


def test_the_past_is_read_in_slices_until_its_beginning(
    dead: None, looks: WaitingGroups, clock: Clock, session: sa.Connection
) -> None:
    look_at_everything(session, looks)
    most = 0
    for _ in range(60):
        clock.now_s += 1
        before = rows_read(session)
        looks.look_at_the_past(session)
        most = max(most, rows_read(session) - before)
    assert 0 < most <= 2 * DEAD


def until_known(session: sa.Connection, looks: WaitingGroups, clock: Clock, job: Job) -> int:
    """Return after how many seconds a look takes the job."""
    for second in range(60):
        looks.look_at_the_past(session)
        if job.id in taken(session, looks):
            return second
        clock.now_s += 1
    raise AssertionError("it was never taken")


def test_a_job_below_every_mark_is_found_by_a_look_at_the_past(
    looks: WaitingGroups, clock: Clock, client: Client, session: sa.Connection
) -> None:
    make_job(client=client, due=timezone.now() + timedelta(hours=1))  # its client is known, from then on
    look_at_everything(session, looks)
    late = make_job(client=client, due=timezone.now() - LONG_AGO)
    other = make_job(client=make_client("other"), due=timezone.now() - LONG_AGO)
    clock.now_s += 1
    assert taken(session, looks) == set()
    until_known(session, looks, clock, late)
    assert Outbox.objects.get(job=other).published == 1


def test_a_lost_message_below_every_mark_is_found_by_a_look_at_the_past(
    looks: WaitingGroups, clock: Clock, client: Client, session: sa.Connection
) -> None:
    look_at_everything(session, looks)
    lost = make_job(client=client, published=1, due=timezone.now() - LONG_AGO)
    clock.now_s += 1
    assert not looks.in_flight.any_overdue(session)
    for _ in range(60):
        clock.now_s += 1
        looks.look_at_the_past(session)
    assert looks.in_flight.any_overdue(session)
    rows = take_overdue(session, "echo", most=10, since_s=looks.in_flight.overdue_s)
    assert [row.envelope.job for row in rows] == [lost.id]


def test_a_transaction_that_commits_late_is_seen_by_the_next_wide_look(
    looks: WaitingGroups, clock: Clock, client: Client, session: sa.Connection
) -> None:
    look_at_everything(session, looks)
    late = make_job(client=client, due=timezone.now() - timedelta(seconds=3))
    assert taken(session, looks) == set()
    clock.now_s += 1
    assert taken(session, looks) == {late.id}


def test_a_job_of_an_unknown_client_is_taken_at_once(
    looks: WaitingGroups, session: sa.Connection, client: Client
) -> None:
    look_at_everything(session, looks)
    fresh = make_job(client=make_client("new"))
    assert taken(session, looks) == {fresh.id}


def test_a_row_published_a_moment_ago_counts_before_the_next_count(
    looks: WaitingGroups, session: sa.Connection, client: Client
) -> None:
    make_job(client=client)
    looks.in_flight.count(session)
    rows = take_fresh(session, "echo", rooms=ROOMY, most=10, fresh=looks.fresh(session))
    looks.in_flight.published(rows)
    assert looks.in_flight.count(session) == {(4, client.pk): 1}


def test_the_claim_of_a_few_jobs_reads_no_dead_rows(dead: None, session: sa.Connection) -> None:
    jobs, worker = make_jobs(4), make_worker().pk
    batch = batch_row(worker=worker)
    before = rows_read(session)
    with engine().begin() as other:
        assert len(claim(other, batch=batch, envelopes=[envelope_of(job) for job in jobs])) == 4
    assert rows_read(session) - before < A_LOOK
    assert not Outbox.objects.exists()


def test_the_survey_counts_from_its_marks_where_the_whole_count_takes_long(
    dead: None, client: Client, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    surveyor = QueueSurveyor(stop=Event())
    monkeypatch.setattr(WholeLooks, "took", never_again)
    make_jobs(3, client=client)
    make_jobs(2, client=client, published=1, due=timezone.now() + timedelta(seconds=20))
    assert sum(surveyor.survey(session)["echo"].waiting) == 5
    make_jobs(4, client=make_client("new"))
    before = rows_read(session)
    count = surveyor.survey(session)["echo"]
    assert rows_read(session) - before < A_LOOK
    assert count.waiting[4] == 9
    assert sorted(count.by_client[4].values()) == [4, 5]


def test_a_count_from_the_marks_on_counts_the_slow_lane_too(
    client: Client, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = WaitingCount()
    monkeypatch.setattr(WholeLooks, "took", never_again)
    assert waiting.count(session) == {}
    fresh, flying = make_jobs(3, client=client), make_jobs(2, client=client, published=1)
    slow = slow_queue("echo")
    Outbox.objects.filter(job_id__in=[job.id for job in [*fresh, *flying]]).update(model=slow)
    assert sum(waiting.count(session)[slow].waiting) == 5


def test_deadlines_are_read_from_a_mark_on_where_a_whole_look_takes_long(
    dead: None, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    overdue = OverdueJobs()
    monkeypatch.setattr(WholeLooks, "took", never_again)
    assert overdue.find(session, 10) == []
    late = make_job(deadline=timezone.now() - timedelta(seconds=1))
    before = rows_read(session)
    assert overdue.find(session, 10) == [late.id]
    assert rows_read(session) - before < A_LOOK

"""What keeps jobs from running is on record: a row for each time that it lasted, moved on while it does."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.db import OperationalError
from django.utils import timezone

from jobs.core.outage_kinds import OutageKind
from jobs.db.session import transaction
from jobs.models import Event, Job, Outage
from jobs.services.circuits import outages
from jobs.services.circuits.outages import AGAIN_S, EVERY_S, OutageLog
from jobs.services.lifecycle.reap import reap
from jobs.services.lifecycle.release import release
from jobs.worker.load_reports import LoadReports
from tests.support.factories import make_batch, make_jobs, make_version, make_worker


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(session: sa.Connection, clock: Clock) -> OutageLog:
    return OutageLog(clock)


def lasted_s(row: Outage) -> float:
    return (row.until - row.began_at).total_seconds()


def test_what_lasts_is_one_row_written_once_a_second(
    session: sa.Connection, log: OutageLog, clock: Clock
) -> None:
    log.note(session, OutageKind.RETRY_BUDGET, model="echo", ahead_s=2.0)
    first = Outage.objects.get()
    assert lasted_s(first) == pytest.approx(2.0)
    log.note(session, OutageKind.RETRY_BUDGET, model="echo", ahead_s=30.0)
    assert lasted_s(Outage.objects.get()) == pytest.approx(2.0), "too soon to write again"
    clock.now += EVERY_S
    log.note(session, OutageKind.RETRY_BUDGET, model="echo", ahead_s=30.0)
    assert lasted_s(Outage.objects.get()) >= 30.0
    log.note(session, OutageKind.RETRY_BUDGET, model="other")
    clock.now += 30.0 + AGAIN_S + 1.0
    log.note(session, OutageKind.RETRY_BUDGET, model="echo")
    assert list(Outage.objects.order_by("id").values_list("model", flat=True)) == ["echo", "other", "echo"]


def test_a_broker_that_is_away_is_written_at_once_and_until_it_is_back(
    session: sa.Connection, log: OutageLog, clock: Clock
) -> None:
    log.lost(OutageKind.BROKER)
    assert Outage.objects.get().kind == "broker"
    clock.now += 4.0
    log.back(session)
    clock.now += 60.0
    log.back(session)
    assert Outage.objects.count() == 1


def test_a_database_that_is_away_is_written_when_it_is_back(
    session: sa.Connection, log: OutageLog, clock: Clock
) -> None:
    log.lost(OutageKind.DATABASE)
    assert not Outage.objects.exists()
    clock.now += 7.0
    log.lost(OutageKind.DATABASE)
    log.back(session)
    row = Outage.objects.get()
    assert row.kind == "database"
    assert lasted_s(row) == pytest.approx(7.0)


def test_a_database_that_cannot_be_written_keeps_no_broker_from_coming_back(
    session: sa.Connection, log: OutageLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(outages, "execute", fail)
        log.lost(OutageKind.BROKER)
    clock.now += 3.0
    log.back(session)
    assert lasted_s(Outage.objects.get()) == pytest.approx(3.0)


def test_a_load_is_on_record_with_its_worker(db: str) -> None:
    version = make_version()
    LoadReports("gpu-0@tests").loaded(version.pk, memory_bytes=1, load_s=12.0)
    row = Outage.objects.get()
    assert (row.kind, row.version, row.node) == ("cold_model", version.pk, "gpu-0@tests")
    assert lasted_s(row) == pytest.approx(12.0)
    assert timezone.now() - row.until < timedelta(seconds=5)


def test_loads_that_fail_are_on_record_until_one_succeeds(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("jobs.worker.load_reports.monotonic", clock)
    version, reports = make_version(), LoadReports("gpu-0@tests")
    reports.loading(version.pk)
    clock.now += 3.0
    reports.failed(version.pk, RuntimeError("no such file"))
    clock.now += 5.0  # its rest
    reports.loading(version.pk)
    clock.now += 2.0
    reports.loaded(version.pk, memory_bytes=1, load_s=2.0)
    clock.now += 60.0
    reports.loading(version.pk)
    clock.now += 1.0
    reports.loaded(version.pk, memory_bytes=1, load_s=1.0)
    rows = Outage.objects.filter(kind="cold_model").order_by("id")
    assert [lasted_s(row) for row in rows] == [pytest.approx(3.0), pytest.approx(7.0), pytest.approx(1.0)]


@pytest.mark.parametrize("how", ["release", "reap"])
def test_a_job_that_was_taken_back_keeps_a_trace_of_its_batch(session: sa.Connection, how: str) -> None:
    jobs, worker = make_jobs(2), make_worker()
    batch = make_batch(worker, make_version(), jobs)
    if how == "reap":
        worker.ended_at = timezone.now()
        worker.save()
    with transaction(session):
        if how == "reap":
            reap(session, batch.pk)
        else:
            release(session, batch=batch.pk, jobs=[(job.pk, 1) for job in jobs])
    events = Event.objects.filter(kind="taken_back")
    assert {event.job_id for event in events} == {job.pk for job in jobs}
    code = "worker_died" if how == "reap" else "released"
    assert {(event.epoch, event.detail["batch"], event.detail["code"]) for event in events} == {
        (1, str(batch.pk), code)
    }
    assert set(Job.objects.values_list("batch_id", flat=True)) == {None}

"""Payloads are in the partition of their class and day, or in a default one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from threading import Event
from uuid import uuid4

import pytest
import sqlalchemy as sa
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader

from jobs.core.errors import UnavailableError
from jobs.core.failures import Success
from jobs.core.ids import uuid7
from jobs.core.retention.partition_sql import TABLES
from jobs.core.retention.policy import DAY_MS, Window, windows_around
from jobs.core.states import State
from jobs.db.session import open_session
from jobs.db.session import transaction as session_transaction
from jobs.models import Job, JobInput, JobResult
from jobs.services.lifecycle import claim as claiming
from jobs.services.lifecycle.settle import Verdict
from jobs.services.reads import job_views
from jobs.services.retention import partitions
from jobs.services.retention.partition_maker import AGAIN_S, ALL_EVERY_S, PartitionMaker
from models_registry import selectors
from tests.support.factories import make_job, make_version
from tests.support.partitions import exists, home, job_of, make, today, window
from tests.support.submit import submit_to
from tests.support.worker import settle_due

INPUT, RESULT = TABLES


@pytest.fixture(autouse=True)
def empty(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


def run_one(session: sa.Connection, model: str) -> Job:
    """Submit a job of the model, claim it and store its result."""
    job = submit_to(model, {"a": 1})
    assert settle_due(session) == [job.id]
    return Job.objects.get(pk=job.id)


def test_a_job_s_input_and_result_are_in_the_partitions_of_its_day(
    session: sa.Connection,
) -> None:
    make_version("echo")
    job = run_one(session, "echo")
    assert job.keep_days == 30
    assert [home(table, job.id) for table in TABLES] == [f"{t}{window(0, 30).suffix}" for t in TABLES]


def test_a_new_version_s_own_days_have_a_class_before_its_first_job(session: sa.Connection) -> None:
    make_version("brief", options={"retention_days": 3})
    PartitionMaker(stop=Event()).step(session, ())
    job = run_one(session, "brief")
    assert job.keep_days == 3
    assert [home(table, job.id) for table in TABLES] == [f"{t}{window(0, 3).suffix}" for t in TABLES]


def test_no_request_makes_a_partition_and_its_row_is_moved_once_there_is_one(session: sa.Connection) -> None:
    make_version("new", options={"retention_days": 19})
    with locked(ROOTS, "ACCESS SHARE"):  # with which no partition can be made
        began = time.monotonic()
        job = submit_to("new", {})
        assert time.monotonic() - began < 1
        assert home(INPUT, job.id) == f"{INPUT}_other"
    assert not exists(f"{INPUT}_k19")
    PartitionMaker(stop=Event()).step(session, ())
    assert home(INPUT, job.id) == f"{INPUT}{window(0, 19).suffix}"


def test_a_partition_that_others_keep_from_being_made_is_made_later(session: sa.Connection) -> None:
    make_version("later", options={"retention_days": 21})
    now_s = 0.0
    maker = PartitionMaker(stop=Event(), clock=lambda: now_s)
    with locked([f"{INPUT}_other"], "ROW EXCLUSIVE"):
        began = time.monotonic()
        maker.step(session, ())
        assert time.monotonic() - began < 2  # it waited once for the class, not for each of its days
    assert not exists(f"{INPUT}_k21")
    assert exists(f"{RESULT}_k21")
    maker.step(session, ())
    assert not exists(f"{INPUT}_k21")
    now_s = AGAIN_S
    maker.step(session, ())
    assert exists(f"{INPUT}_k21")


def test_the_days_ahead_are_looked_at_now_and_then(session: sa.Connection) -> None:
    now_s = 0.0
    maker = PartitionMaker(stop=Event(), clock=lambda: now_s)
    maker.step(session, ())
    last = windows_around(30, time.time_ns() // 1_000_000)[-1]
    connection.cursor().execute(f"DROP TABLE {INPUT}{last.suffix}")
    maker.step(session, ())
    assert not exists(f"{INPUT}{last.suffix}")
    now_s = ALL_EVERY_S
    maker.step(session, ())
    assert exists(f"{INPUT}{last.suffix}")


ROOTS = (*TABLES, *(f"{table}_other" for table in TABLES))


@contextmanager
def locked(tables: Iterable[str], mode: str) -> Iterator[None]:
    """Hold a lock on tables, as a long transaction elsewhere does."""
    with closing(open_session()) as other, session_transaction(other):
        for table in tables:
            other.exec_driver_sql(f"LOCK TABLE ONLY {table} IN {mode} MODE")
        yield


def test_jobs_on_both_sides_of_midnight_are_in_their_own_days() -> None:
    days = [window(4, 5), window(3, 5)]
    make(*days)
    last, first = job_of(days[0], at_ms=DAY_MS - 1), job_of(days[1], at_ms=0)
    assert home(INPUT, last.id) == f"{INPUT}{days[0].suffix}"
    assert home(INPUT, first.id) == f"{INPUT}{days[1].suffix}"


def test_a_row_of_a_day_without_a_partition_is_in_the_default_one() -> None:
    job = make_job(state=State.SUCCEEDED, id=uuid7(1_600_000_000_000, 7), keep_days=30)
    assert (home(INPUT, job.id), home(RESULT, job.id)) == (f"{INPUT}_k30_other", f"{RESULT}_k30_other")


def test_rows_older_than_their_partition_are_moved_into_it() -> None:
    with closing(open_session()) as session:
        day = window(-20, 30)
        job = job_of(day)
        before = [home(table, job.id) for table in TABLES]
        late = partitions.make_ahead(session, {30}, now_ms=(day.first_day - 1) * DAY_MS)
    assert before == [f"{table}_k30_other" for table in TABLES]
    assert late == []
    assert [home(table, job.id) for table in TABLES] == [f"{table}{day.suffix}" for table in TABLES]


def test_rows_of_a_class_without_partitions_are_in_the_root_s_default_until_it_has_one() -> None:
    job = make_job(keep_days=17)
    before = home(INPUT, job.id)
    with closing(open_session()) as session:
        assert partitions.make_ahead(session, {17}, now_ms=time.time_ns() // 1_000_000) == []
    assert before == f"{INPUT}_other"
    assert home(INPUT, job.id) == f"{INPUT}{window(0, 17).suffix}"


def test_partitions_are_made_from_yesterday_to_a_week_ahead() -> None:
    with closing(open_session()) as session:
        now_ms = time.time_ns() // 1_000_000
        partitions.make_ahead(session, {30, 90}, now_ms=now_ms)
        assert partitions.missing(session, {30, 90}, now_ms=now_ms) == []
    assert all(exists(f"{INPUT}{w.suffix}") for days in (30, 90) for w in windows_around(days, now_ms))


def test_a_job_s_class_never_changes() -> None:
    job = make_job()
    with pytest.raises(IntegrityError, match="keep_days of a job does not change"), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(keep_days=7)
    Job.objects.filter(pk=job.pk).update(keep_days=30, priority=2)


def test_a_job_has_one_result_at_most() -> None:
    job = make_job(state=State.SUCCEEDED)
    with pytest.raises(IntegrityError, match="pkey"), transaction.atomic():
        JobResult.objects.create(job=job, epoch=2, body=b"[]")


def test_large_results_are_kept_out_of_line_and_uncompressed_everywhere() -> None:
    query = """SELECT DISTINCT attstorage FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relname LIKE %s AND attname = 'body' AND relkind IN ('r', 'p')"""
    with connection.cursor() as cursor:
        cursor.execute(query, (f"{RESULT}%",))
        assert cursor.fetchall() == [("e",)]


def partitions_in(plan: str) -> set[str]:
    return set(re.findall(r"jobs_job(?:input|result)_k\d+_\d{8}", plan))


def test_a_claim_reads_only_the_partitions_of_its_jobs_days(session: sa.Connection) -> None:
    make(window(4, 5), window(3, 5))
    job = job_of(window(4, 5), State.QUEUED)
    session.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
    values = {
        "jobs": [job.id], "epochs": [0], "clients": [1], "variants": [0], "model": "echo", "first": job.id,
        "last": job.id, "sources": ["queued"],
        "target": "running", "batch": uuid4(), "worker": uuid4(), "version": 1, "padded_size": 0,
        "seal_reason": "x", "waited_s": 0.0, "sealed_ago_s": 0.0, "buffered_s": [0.0], "apart": 0,
        "slow": False,
    }  # fmt: skip
    plan = "\n".join(session.exec_driver_sql(f"EXPLAIN {claiming._CLAIM.sql}", values).scalars())
    assert f"{INPUT}{window(4, 5).suffix}" in partitions_in(plan)
    assert partitions_in(plan) <= _of_that_day(window(4, 5), INPUT)
    assert "Seq Scan on jobs_jobinput" not in plan


def _of_that_day(day: Window, table: str) -> set[str]:
    """Return the partitions that other classes have of the same day, made by other tests."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname ~ %s", (rf"^{table}_k\d+_\d{{8}}$",))
        names = [name for (name,) in cursor.fetchall()]
    weekly = {name for name in names if int(name.split("_k")[1].split("_")[0]) > 31}
    return {name for name in names if name.endswith(f"{day.date:%Y%m%d}")} | weekly


@pytest.mark.parametrize("table", TABLES)
def test_a_read_of_a_job_uses_only_the_partitions_of_its_day(table: str) -> None:
    job = make_job(state=State.SUCCEEDED)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {job_views.ONE_JOB.sql}", {"id": job.id, "client": job.client_id})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    seen = {name for name in partitions_in(plan) if name.startswith(table)}
    assert f"{table}{window(0, 30).suffix}" in seen
    assert seen <= _of_that_day(window(0), table)


def test_a_settle_plans_no_partition_at_all(session: sa.Connection) -> None:
    from jobs.services.lifecycle.settle import _SETTLE, arrays

    verdicts = [Verdict(make_job().id, 1, Success(b"{}"))]
    plan = "\n".join(session.exec_driver_sql(f"EXPLAIN {_SETTLE.sql}", arrays(verdicts, [uuid4()])).scalars())
    assert partitions_in(plan) == set()


def test_rows_of_the_old_tables_are_moved_into_their_partitions() -> None:
    name = "0013_partitions"
    loader = MigrationLoader(connection)
    (before,) = [key for key in loader.graph.node_map["jobs", name].parents if key.key[0] == "jobs"]
    old, new = job_of(window(9, 30), keep_days=30), make_job(state=State.SUCCEEDED)
    body = bytes(JobInput.objects.get(pk=new.pk).body)
    try:
        call_command("migrate", "jobs", before.key[1], verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM jobs_jobinput JOIN jobs_jobresult USING (job_id)")
            assert cursor.fetchall() == [(2,)]
    finally:
        call_command("migrate", "jobs", verbosity=0)
    assert [home(table, old.id) for table in TABLES] == [f"{t}{window(9, 30).suffix}" for t in TABLES]
    assert [home(table, new.id) for table in TABLES] == [f"{t}{window(0, 30).suffix}" for t in TABLES]
    assert bytes(JobInput.objects.get(pk=new.pk).body) == body
    assert JobResult.objects.get(pk=old.pk).keep_days == 30
    assert today() == window(0).first_day


def test_a_submit_that_meets_a_move_of_rows_is_refused_within_a_second_or_so() -> None:
    make_version("moved", options={"retention_days": 23})
    with locked([f"{INPUT}_other"], "EXCLUSIVE"):
        began = time.monotonic()
        with pytest.raises(UnavailableError) as refused:
            submit_to("moved", {})
        assert 0.5 < time.monotonic() - began < 3
    assert refused.value.retryable  # told with a Retry-After
    submit_to("moved", {})

"""Plans are made once a connection and stay on indexes, whatever the tables were when they were made."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from django.db import connection
from django.utils import timezone

from jobs.api.streaming.hub import Hub
from jobs.core.states import State
from jobs.db import statement as statements
from jobs.db.engine import engine
from jobs.db.session import driver, open_session
from jobs.db.statement import Statement, run
from jobs.db.troubles import Trouble, trouble_of
from jobs.models import Job, Outbox
from jobs.services.lifecycle import claim as claiming
from jobs.services.lifecycle.claim import claim
from jobs.services.relay import statements as feed
from jobs.services.relay.group_statements import groups, older
from jobs.services.relay.in_flight_statements import any_overdue, in_flight
from jobs.services.relay.quick_take import take_few
from jobs.services.relay.resting_statements import RestingMark, old_rows, stirred
from jobs.services.retention.partition_statements import make_window, without
from tests.integration.jobs.db.test_query_plans import rows_read
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_job, make_jobs, make_worker
from tests.support.partitions import job_of, make, window

MANY, PART = 100_000, 1_000  # by hand it was run with two millions, which took half a minute
LONG_AGO = timedelta(hours=1)
ROOM = dict.fromkeys(range(10), PART)
Look = Callable[[sa.Connection], object]
_COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
)


def multiply(job: Job, rows: int) -> None:
    """Store so many copies of a job and of its outbox row."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table, key in (("jobs_job", "id"), ("jobs_outbox", "job_id")):
            cursor.execute(_COLUMNS, (table,))
            names = [name for (name,) in cursor.fetchall()]
            copied = ["lpad(to_hex(n), 32, '0')::uuid" if name == key else name for name in names]
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(copied)} "
                f"FROM {table}, generate_series(1, %s) AS n WHERE {key} = %s",
                (rows, job.id),
            )
        cursor.execute("SET session_replication_role = origin")


LOOKS: dict[str, Look] = {
    "fresh": lambda session: feed.take_fresh(session, "echo", rooms=ROOM, most=PART),
    "few": lambda session: take_few(session, "echo", since_s=0.0, held={}),
    "overdue": lambda session: feed.take_overdue(session, "echo", most=PART, since_s=1.0),
    "any overdue": lambda session: any_overdue(session, "echo"),
    "groups": lambda session: groups(session, "echo", known=[], since_s=4e9, slack_s=1.0),
    "past": lambda session: older(session, "echo", start_s=1.0, end_s=2.0),
    "resting": lambda session: stirred(session, [RestingMark("echo", 1.0, 1.0)], slack_s=1.0),
    "old": lambda session: old_rows(session, ["echo", "other"], start_s=1.0, end_s=2.0),
    "in flight": lambda session: in_flight(session, "other"),
}


def assert_small(session: sa.Connection) -> None:
    read = {name: read_by(session, look) for name, look in LOOKS.items()}
    assert {name: rows for name, rows in read.items() if rows > 8 * PART} == {}


def read_by(session: sa.Connection, look: Look) -> int:
    with engine().connect() as counter:
        driver(session).execute("SELECT pg_stat_force_next_flush()")
        before = rows_read(counter)
        look(session)
        driver(session).execute("SELECT pg_stat_force_next_flush()")
        driver(session).execute("SELECT 1")  # the statistics of a session are stored when it is idle
        return rows_read(counter) - before


def test_the_relay_s_plans_of_an_empty_table_read_no_full_one(session: sa.Connection) -> None:
    session.exec_driver_sql("SET lock_timeout = '30s'")  # autovacuum may be at the tables, too
    session.exec_driver_sql("ANALYZE jobs_job, jobs_outbox, jobs_deadletter")
    for _ in range(3):
        for look in LOOKS.values():
            look(session)
    job = make_job()
    Outbox.objects.update(due=timezone.now() - LONG_AGO)
    multiply(job, MANY)
    assert_small(session)
    session.exec_driver_sql("ANALYZE jobs_job, jobs_outbox, jobs_deadletter")
    assert_small(session)
    kept = driver(session).execute("SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements")
    generic, custom = kept.fetchone() or (0, 0)
    assert generic > len(LOOKS)
    assert custom == 0


def explained(session: sa.Connection, statement: Statement[Any], values: dict[str, Any]) -> str:
    """Run a statement by a plan that knows no values, undo it, and return how the plan was executed."""
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    sql = re.sub(r"%\((\w+)\)[sb]", numbered, statement.sql)
    raw = driver(session)
    with raw.transaction(force_rollback=True), psycopg.ClientCursor(raw) as cursor:
        cursor.execute(f"PREPARE it AS {sql}".encode())
        places = ", ".join(["%s"] * len(names))
        explain = f"EXPLAIN (ANALYZE, COSTS OFF) EXECUTE it({places})"
        cursor.execute(explain.encode(), [values[name] for name in names])
        return "\n".join(line for (line,) in cursor.fetchall())


def test_a_kept_claim_reads_the_partition_of_its_jobs_alone(session: sa.Connection) -> None:
    make(window(4, 5), window(3, 5))
    job = job_of(window(4, 5), State.QUEUED)
    values = {
        "jobs": [job.id], "epochs": [job.epoch], "clients": [job.client_id], "variants": [0],
        "model": job.model, "first": job.id, "last": job.id, "sources": ["queued"], "target": "running",
        "batch": uuid4(), "worker": make_worker().id, "version": job.version_id, "padded_size": 0,
        "seal_reason": "x", "waited_s": 0.0, "sealed_ago_s": 0.0, "buffered_s": [0.0], "apart": 0,
            "slow": False,
    }  # fmt: skip
    plan = explained(session, claiming._CLAIM, values)
    executed = [line for line in plan.splitlines() if "on jobs_jobinput_k" in line]
    assert [line for line in executed if "never executed" not in line]
    assert all(window(4, 5).suffix in line for line in executed if "never executed" not in line), plan
    assert "Subplans Removed" in plan


def test_a_kept_claim_goes_on_where_a_partition_came_or_went(session: sa.Connection) -> None:
    make(window(4, 5), window(3, 5))
    worker, jobs = make_worker().pk, make_jobs(4)
    with engine().connect() as bulk:

        def claimed(job: Job) -> int:
            with bulk.begin():
                row = batch_row(worker=worker)
                return len(claim(bulk, batch=row, envelopes=[envelope_of(job)]))

        assert [claimed(job) for job in jobs[:2]] == [1, 1]
        with without(session, window(4, 5), ["jobs_jobinput", "jobs_jobresult"]):
            pass
        assert claimed(jobs[2]) == 1
        for table in ("jobs_jobinput", "jobs_jobresult"):
            make_window(session, table, window(4, 5))
        assert claimed(jobs[3]) == 1


@pytest.fixture
def changing(db: str) -> Iterator[Callable[[], None]]:
    """Return what changes the type of a column that a statement returns, as a migration does."""
    with psycopg.connect(db, autocommit=True) as operator:
        operator.execute("CREATE TABLE IF NOT EXISTS changing (name varchar(10))")

        def change() -> None:
            operator.execute("ALTER TABLE changing ALTER name TYPE varchar(20)")

        yield change
        operator.execute("DROP TABLE changing")


NAMES = Statement("SELECT name FROM changing", str)


def test_a_column_s_new_type_ends_a_connection_and_no_request(
    changing: Callable[[], None],
) -> None:
    for _ in range(3):
        assert statements.fetch_all(NAMES) == []
    with open_session() as session:
        for _ in range(3):
            run(session, NAMES)
        changing()
        assert statements.fetch_all(NAMES) == []
        with pytest.raises(sa.exc.DBAPIError) as raised:  # a loop goes on with a new session
            run(session, NAMES)
        assert trouble_of(raised.value) is Trouble.STALE_PLAN


def test_a_column_s_new_type_ends_a_connection_of_the_event_loop_and_no_call(
    changing: Callable[[], None],
) -> None:
    async def read() -> None:
        hub = Hub(name="changing", pool_size=1)
        try:
            for _ in range(3):
                assert await hub.fetch(NAMES, {}) == []
            changing()
            assert await hub.fetch(NAMES, {}) == []
        finally:
            await hub.stop()

    asyncio.run(read())


def test_the_event_loop_plans_a_statement_once(db: str) -> None:
    kept = Statement("SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE '%%42'", int)
    again = Statement("SELECT 42", int)

    async def plans() -> list[int]:
        hub = Hub(name="kept", pool_size=1)
        try:
            for _ in range(4):
                await hub.fetch(again, {})
            return await hub.fetch(kept, {})
        finally:
            await hub.stop()

    assert asyncio.run(plans()) == [3]

"""What the processes log in as can do their work and cannot change the audit, whatever they send."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from jobs.core.access.database_rights import APPEND_ONLY, LENT, OF_THE_AUDIT, READ_ONLY, DatabaseRole
from jobs.core.retention.partition_sql import TABLES
from jobs.models import Event
from jobs.services.access.audit import note
from jobs.services.access.database_roles import apply_rights
from models_registry.models import Promotion
from tests.support.database_roles import make_roles
from tests.support.factories import make_job
from tests.support.partitions import exists, window

REFUSED = psycopg.errors.InsufficientPrivilege


@pytest.fixture(scope="module")
def urls(services: dict[str, str]) -> dict[DatabaseRole, str]:
    return make_roles()


@pytest.fixture
def runtime(db: str, urls: dict[DatabaseRole, str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(urls[DatabaseRole.RUNTIME], autocommit=True) as session:
        yield session


NAMES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""
ATTACKS = (
    "UPDATE {audit} SET {column} = 'x'",
    "DELETE FROM {audit}",
    "TRUNCATE {audit}",
    "TRUNCATE {audit} CASCADE",
    "DROP TABLE {audit}",
    "ALTER TABLE {audit} DISABLE TRIGGER ALL",
    "ALTER TABLE {audit} DISABLE TRIGGER USER",
    "ALTER TABLE {audit} RENAME TO gone",
    "ALTER TABLE {audit} ADD COLUMN more int",
    "ALTER TABLE {audit} OWNER TO inference_runtime",
    "CREATE TRIGGER mine BEFORE INSERT ON {audit} FOR EACH ROW EXECUTE FUNCTION jobs_event_append_only()",
    "CREATE RULE mine AS ON INSERT TO {audit} DO INSTEAD NOTHING",
    "SELECT * FROM {audit} FOR UPDATE",
    "BEGIN; LOCK TABLE {audit} IN ACCESS EXCLUSIVE MODE",
    "INSERT INTO {audit} (id, {column}) VALUES (1, 'x')",
    "INSERT INTO {audit} SELECT * FROM {audit} ON CONFLICT (id) DO UPDATE SET {column} = 'x'",
    "SELECT setval(pg_get_serial_sequence('{audit}', 'id'), 1)",
)
OTHERS = (
    "INSERT INTO jobs_event (kind, actor, at) VALUES ('cancel', 'nobody', '2020-01-01')",
    "SET ROLE inference_owner",
    "SET ROLE inference_runtime_b",
    "ALTER ROLE inference_runtime_b PASSWORD 'mine'",
    "ALTER ROLE inference_runtime LOGIN PASSWORD 'mine'",
    "GRANT inference_runtime TO inference_runtime_b",
    "SET ROLE inference_audit",
    "SET SESSION AUTHORIZATION inference_owner",
    "SET session_replication_role = replica",
    "GRANT inference_audit TO inference_runtime",
    "ALTER ROLE inference_runtime SUPERUSER",
    "ALTER ROLE inference_owner PASSWORD 'mine'",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE SCHEMA mine",
    "CREATE TABLE public.mine (n int)",
    "CREATE TEMP TABLE jobs_event (n int)",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION file_fdw",
    "ALTER FUNCTION jobs_event_append_only() OWNER TO inference_runtime",
    "CREATE OR REPLACE FUNCTION jobs_event_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "COPY jobs_event TO '/tmp/stolen'",
    "COPY jobs_event FROM PROGRAM 'id'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "ALTER SYSTEM SET fsync = off",
    "SELECT rolpassword FROM pg_authid",
    "DELETE FROM django_migrations",
    "UPDATE jobs_channelsecret SET secret = 'x'",
    "DROP TABLE jobs_jobinput_other",
    "ALTER TABLE jobs_jobinput DETACH PARTITION jobs_jobinput_k30",
)


def refused(session: psycopg.Connection, attack: str) -> bool:
    """Return whether a statement is refused for want of a right, not for another reason."""
    try:
        session.execute(attack.encode())
    except REFUSED:
        return True
    except psycopg.Error:
        return False
    finally:
        session.rollback()
    return False


@pytest.mark.parametrize("audit", APPEND_ONLY)
def test_the_runtime_role_cannot_change_the_audit(runtime: psycopg.Connection, audit: str) -> None:
    note("cancel", actor="olga")
    column = "mac" if audit == "jobs_auditseal" else "actor"
    attacks = [attack.format(audit=audit, column=column) for attack in ATTACKS]
    assert [attack for attack in attacks if not refused(runtime, attack)] == []
    assert Event.objects.get().actor == "olga"


def test_the_runtime_role_cannot_become_another_or_leave_the_tables(runtime: psycopg.Connection) -> None:
    assert [attack for attack in OTHERS if not refused(runtime, attack)] == []


def test_saying_that_it_is_retention_gives_no_right(runtime: psycopg.Connection) -> None:
    note("cancel", actor="olga")
    runtime.execute("SET inference.retention = 'on'")
    runtime.execute("GRANT DELETE ON jobs_event TO inference_runtime")  # a warning: it has none to give
    assert refused(runtime, "DELETE FROM jobs_event")


def test_the_runtime_role_appends_to_the_audit_and_works_with_every_other_table(
    runtime: psycopg.Connection,
) -> None:
    runtime.execute("INSERT INTO jobs_event (kind, actor, detail) VALUES ('cancel', 'olga', '{}')")
    assert Event.objects.get().actor == "olga"
    names = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    others = {name for (name,) in runtime.execute(names)} - {*APPEND_ONLY, *READ_ONLY}
    assert len(others) > 30
    for name in others:
        runtime.execute(f"DELETE FROM {name} WHERE false".encode())


def test_partitions_are_made_and_dropped_by_the_functions_alone(runtime: psycopg.Connection) -> None:
    root, day = TABLES[0], window(3, 29)
    make_job()
    arguments = f"'{root}', 29, '{day.suffix}'"
    runtime.execute(f"SELECT jobs_make_class('{root}', 29, '{{}}', '{{}}', '{{}}')".encode())
    runtime.execute(f"SELECT jobs_make_window({arguments}, '{day.first_id}', '{day.end_id}')".encode())
    runtime.execute(f"SELECT count(*) FROM {root}{day.suffix}".encode())
    with pytest.raises(psycopg.errors.ObjectInUse):
        runtime.execute(f"SELECT jobs_drop_window({arguments})".encode())
    runtime.execute(f"SELECT jobs_detach_window({arguments})".encode())
    runtime.execute(f"SELECT jobs_drop_window({arguments})".encode())
    assert not exists(f"{root}{day.suffix}")


@pytest.mark.parametrize(
    "arguments",
    [
        "'jobs_event', 30, '_k30_20260101'",
        "'jobs_event; DROP TABLE jobs_job', 30, '_k30_20260101'",
        "'jobs_jobinput', 30, '_k7_20260101'",
        "'jobs_jobinput', 30, '_other'",
        "'jobs_jobinput', 30, ''",
        "'jobs_jobinput', -1, '_k-1_20260101'",
        "'jobs_jobinput', 30, E'_k30_20260101\\n'",
        "'pg_catalog.pg_class', 30, '_k30_20260101'",
        "'jobs_jobinput_k30', 30, '_k30_20260101'",
    ],
)
def test_the_functions_drop_windows_and_nothing_else(runtime: psycopg.Connection, arguments: str) -> None:
    make_job()
    for function in ("jobs_detach_window", "jobs_drop_window"):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            runtime.execute(f"SELECT {function}({arguments})".encode())


def test_nobody_else_may_connect_or_call(urls: dict[DatabaseRole, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
        try:
            url = urls[DatabaseRole.RUNTIME].partition("@")[2]
            with pytest.raises(psycopg.OperationalError, match="does not have CONNECT"):
                psycopg.connect(f"postgresql://stranger:x@{url}")
            for function in LENT:
                cursor.execute(
                    "SELECT has_function_privilege('stranger', %s::regproc, 'EXECUTE')", (function,)
                )
                assert cursor.fetchall() == [(False,)]
        finally:
            cursor.execute("DROP ROLE stranger")


def test_the_owner_migrates_and_what_it_adds_gets_its_rights(
    urls: dict[DatabaseRole, str], runtime: psycopg.Connection
) -> None:
    with psycopg.connect(urls[DatabaseRole.OWNER], autocommit=True) as owner:
        owner.execute("ALTER TABLE jobs_event ADD COLUMN added int")
        owner.execute("ALTER TABLE jobs_event DROP COLUMN added")
        owner.execute("CREATE TABLE added (n int)")
        runtime.execute("INSERT INTO added VALUES (1)")
        owner.execute("DROP TABLE added")
        assert owner.execute("SELECT pg_has_role('inference_audit', 'USAGE')").fetchone() == (True,)


def test_rights_that_were_given_by_hand_go(
    urls: dict[DatabaseRole, str], runtime: psycopg.Connection
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("GRANT ALL ON jobs_event TO inference_runtime, PUBLIC")
    apply_rights()
    with pytest.raises(REFUSED):
        runtime.execute("DELETE FROM jobs_event")
    with connection.cursor() as cursor:
        cursor.execute("GRANT ALL ON jobs_event TO inference_runtime_a")
    make_roles()
    with pytest.raises(REFUSED):
        runtime.execute("DELETE FROM jobs_event")


def test_every_table_and_function_has_its_owner(urls: dict[DatabaseRole, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relname = ANY(%s)"
            " UNION ALL SELECT proname, pg_get_userbyid(proowner) FROM pg_proc WHERE proname = ANY(%s)",
            ([*APPEND_ONLY, "jobs_job"], [*OF_THE_AUDIT, "jobs_make_class"]),
        )
        owners = dict(cursor.fetchall())
    expected = dict.fromkeys([*APPEND_ONLY, *OF_THE_AUDIT], "inference_audit")
    assert owners == expected | {"jobs_job": "inference_owner", "jobs_make_class": "inference_owner"}
    assert Promotion.objects.count() == 0


def test_the_command_asks_for_both_passwords() -> None:
    with pytest.raises(CommandError, match="DATABASE_OWNER_PASSWORD and DATABASE_RUNTIME_PASSWORD"):
        call_command("database_roles")

"""Whatever is done to the audit behind the application's back, `manage.py audit verify` says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.utils import IntegrityError
from django.utils import timezone

from jobs.core.access.database_rights import DatabaseRole
from jobs.db.session import open_session
from jobs.models import AuditSeal, Event
from jobs.services.access import audit_seals
from jobs.services.access.audit import note
from jobs.services.access.audit_export import Exporter
from tests.support.audit import seal
from tests.support.database_roles import make_roles

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_seals, "ROWS_A_SEAL", 3)


def write(count: int, actor: str = "olga") -> list[int]:
    for number in range(count):
        note("cancel", actor=actor, number=number)
    return list(Event.objects.order_by("id").values_list("id", flat=True))


def verify(*words: str) -> str:
    out = StringIO()
    call_command("audit", "verify", *words, stdout=out)
    return out.getvalue()


def tamper(statement: str, *, table: str = "jobs_event") -> None:
    """Change a table as a superuser can."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_what_nobody_touched_is_verified() -> None:
    write(7)
    seal()
    assert [row.row_count for row in AuditSeal.objects.order_by("id")] == [3, 3, 1]
    write(2)
    assert verify() == (
        "3 seals and their 7 events are as they were made; 2 newer events are not sealed yet.\n"
    )
    seal()
    assert verify().startswith("4 seals and their 9 events")


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE jobs_event SET actor = 'nobody' WHERE id = {4}", "seal 2: event {4} was changed"),
        ("UPDATE jobs_event SET at = at - interval '1 microsecond' WHERE id = {4}", "event {4} was changed"),
        ("UPDATE jobs_event SET detail = '{{}}' WHERE id = {4}", "event {4} was changed"),
        ("UPDATE jobs_event SET address = '10.0.0.1', token = 4 WHERE id = {4}", "event {4} was changed"),
        (
            "DELETE FROM jobs_event WHERE id = {4}",
            "seal 2: an event between event {3} and event {5} was removed",
        ),
        ("DELETE FROM jobs_event WHERE id <= {2}", "seal 1: an event after the seal before was removed"),
        ("DELETE FROM jobs_event WHERE id >= {3}", "seal 2: an event after the seal before was removed"),
        ("UPDATE jobs_event SET id = -id WHERE id = {6}", "seal 1: event -{6} was added"),
        ("DELETE FROM jobs_event", "seal 1: an event after the seal before was removed"),
    ],
)
def test_each_change_of_a_row_is_named(statement: str, fault: str) -> None:
    ids = write(7)
    seal()
    tamper(statement.format(*ids))
    with pytest.raises(CommandError, match=fault.format(*ids)):
        verify()


def test_a_row_that_is_slipped_in_is_named() -> None:
    ids = write(3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('jobs_event', 'id'))")
        ((free,),) = cursor.fetchall()
    write(3)
    seal()
    tamper(f"INSERT INTO jobs_event (id, kind, actor, detail) VALUES ({free}, 'cancel', 'nobody', '{{}}')")
    assert free == ids[-1] + 1
    with pytest.raises(CommandError, match=f"seal 2: event {free} was added"):
        verify()


def test_a_row_that_is_slipped_in_before_the_first_is_named() -> None:
    write(3)
    seal()
    tamper("INSERT INTO jobs_event (id, kind, actor, detail) VALUES (-5, 'cancel', 'nobody', '{}')")
    with pytest.raises(CommandError, match="seal 1: event -5 was added"):
        verify()


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM jobs_auditseal WHERE id = 2", "seal 3: it does not follow the seal before"),
        ("DELETE FROM jobs_auditseal WHERE id = 1", "seal 2: it does not follow the seal before"),
        ("UPDATE jobs_auditseal SET row_hashes = '\\x00' WHERE id = 2", "seal 2: it was changed itself"),
        (
            "UPDATE jobs_auditseal SET mac = '\\x00' WHERE id = 2",
            "seal 2: it was not made with this SECRET_KEY",
        ),
    ],
)
def test_each_change_of_a_seal_is_named(statement: str, fault: str) -> None:
    write(7)
    seal()
    tamper(statement, table="jobs_auditseal")
    with pytest.raises(CommandError, match=fault):
        verify()


def exported_to(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, audit_export=target))


def test_newest_events_that_are_removed_with_their_seals_are_missed_by_the_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = tmp_path / "audit.jsonl"
    exported_to(str(export), monkeypatch)
    ids = write(7)
    seal()
    assert export.stat().st_mode & 0o777 == 0o600
    assert "7 events" in verify("--export", str(export))
    tamper(f"DELETE FROM jobs_event WHERE id > {ids[2]}")
    tamper("DELETE FROM jobs_auditseal WHERE id > 1", table="jobs_auditseal")
    assert "3 events" in verify()
    with pytest.raises(CommandError, match="seal 2: it was exported, and the database lacks it"):
        verify("--export", str(export))


def test_a_chain_that_was_made_anew_is_not_the_exported_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = tmp_path / "audit.jsonl"
    exported_to(str(export), monkeypatch)
    write(4)
    seal()
    tamper("UPDATE jobs_event SET actor = 'nobody'")
    tamper("TRUNCATE jobs_auditseal RESTART IDENTITY", table="jobs_auditseal")
    seal()
    assert "4 events" in verify()
    with pytest.raises(CommandError, match="seal 1: the export has another one"):
        verify("--export", str(export))


def test_the_export_goes_on_where_it_ended_and_holds_no_message_of_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = tmp_path / "audit.jsonl"
    exported_to(str(export), monkeypatch)
    write(2)
    seal()
    export.write_bytes(export.read_bytes() + b'{"event": {"id"')  # a process was killed
    Event.objects.create(kind="failed", actor="w", detail={"code": "x", "message": "quotes anna@example.org"})
    seal()
    lines = export.read_bytes().splitlines()
    kinds = [next(iter(json.loads(line))) for line in lines if not line.startswith(b'{"event": {"id"')]
    assert kinds == ["event", "event", "seal", "event", "seal"]
    assert b"anna" not in export.read_bytes()
    assert b'"code":"x"' in export.read_bytes()


def test_the_audit_is_exported_to_a_syslog_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket(AF_INET, SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        exported_to(f"syslog://127.0.0.1:{server.getsockname()[1]}", monkeypatch)
        write(1)
        exporter = Exporter(settings.INFERENCE.audit_export)
        with closing(open_session()) as session:
            exporter.export(session)  # begins with the newest seal
            seal()
            exporter.export(session)
        assert [b'"event"' in server.recv(9_000), b'"seal"' in server.recv(9_000)] == [True, True]


def test_an_export_that_cannot_be_written_stops_no_seal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported_to(str(tmp_path / "no" / "folder"), monkeypatch)
    write(2)
    seal()
    assert AuditSeal.objects.count() == 1


def test_a_row_of_a_transaction_that_commits_late_is_sealed_in_its_order(db: str) -> None:
    with psycopg.connect(db) as late:
        late.execute("INSERT INTO jobs_event (kind, actor, detail) VALUES ('cancel', 'late', '{}')")
        write(3)
        seal(steps=4)
        assert AuditSeal.objects.count() == 0
    seal()
    assert verify().startswith("2 seals and their 4 events")


FORGED: Sequence[tuple[str, Callable[[AuditSeal], dict[str, Any]]]] = (
    ("a fork", lambda _: {"previous": bytes(32)}),
    ("a gap backwards", lambda last: {"previous": last.hash, "first_id": 1}),
    ("the future", lambda last: {"previous": last.hash, "last_id": last.last_id + 1_000}),
)


@pytest.mark.parametrize(("what", "fields"), FORGED, ids=[name for name, _ in FORGED])
def test_a_seal_that_does_not_follow_is_refused(
    what: str, fields: Callable[[AuditSeal], dict[str, Any]]
) -> None:
    write(1)
    seal()
    write(1)
    last = AuditSeal.objects.get()
    newer = {"first_id": last.last_id + 1, "last_id": last.last_id + 1, "row_count": 1, "row_hashes": b"x"}
    forged = newer | {"hash": what.encode(), "mac": b"", "newest_at": last.newest_at} | fields(last)
    with pytest.raises(IntegrityError, match="does not follow"), transaction.atomic():
        AuditSeal.objects.create(**forged)


def test_the_runtime_role_forgets_nothing_that_the_owner_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, events_days=0))
    write(4)
    seal()
    runtime = make_roles()[DatabaseRole.RUNTIME]
    with psycopg.connect(runtime, autocommit=True) as session:
        for days in (0, -1, 1, 10_000):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="keeps events"):
                session.execute("SELECT jobs_forget_events(%s, 10)", (days,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(
                "CREATE OR REPLACE FUNCTION jobs_events_days() RETURNS int LANGUAGE sql AS 'SELECT 1'"
            )
    assert Event.objects.count() == 4


def test_the_runtime_role_forgets_what_is_older_than_the_owner_s_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, events_days=30))
    runtime = make_roles()[DatabaseRole.RUNTIME]
    Event.objects.create(kind="cancel", at=timezone.now() - timedelta(days=31))
    seal()
    with psycopg.connect(runtime, autocommit=True) as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="keeps events"):
            session.execute("SELECT jobs_forget_events(29, 10)")
        assert session.execute("SELECT jobs_forget_events(30, 10)").fetchone() == (1,)

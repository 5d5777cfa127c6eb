"""Whoever may append to the audit can neither stop its seals, its export and its check, nor mislead them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from jobs.core.access.database_rights import DatabaseRole
from jobs.models import AuditSeal, Event
from jobs.services.access import audit_seals
from jobs.services.access.audit import note
from models_registry.models import Promotion
from tests.support.audit import seal
from tests.support.database_roles import make_roles
from tests.support.wait import wait_until

SLOW = """
INSERT INTO jobs_event (kind, actor, detail)
SELECT 'cancel', 'slow', CASE WHEN pg_sleep(4) IS NULL THEN NULL ELSE '{}'::jsonb END
"""


@pytest.fixture
def runtime(db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(make_roles()[DatabaseRole.RUNTIME], autocommit=True) as session:
        yield session


def verify() -> str:
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    return out.getvalue()


def forge(session: psycopg.Connection, kind: str, detail: str) -> None:
    session.execute("INSERT INTO jobs_event (kind, actor, detail) VALUES (%s, 'me', %s)", (kind, detail))


@pytest.mark.parametrize("days", ['"abc"', '"1e9"', "[]", "-5", "0", "99999999999", "1.5", "null", '" 7"'])
def test_a_forged_note_that_events_were_forgotten_neither_stops_the_check_nor_excuses_anything(
    runtime: psycopg.Connection, days: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_seals, "ROWS_A_SEAL", 3)
    for _ in range(3):
        note("cancel", actor="olga")
    forge(runtime, "forget", f'{{"older_than_days": {days}}}')
    seal()
    assert verify().startswith("2 seals and their 4 events")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL inference.retention = 'on'")
        cursor.execute("DELETE FROM jobs_event WHERE kind = 'cancel'")
    with pytest.raises(CommandError, match="was removed"):
        verify()


def test_the_time_of_a_seal_is_part_of_its_hash(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older time would let its events be forgotten, or their removal pass as that."""
    monkeypatch.setattr(audit_seals, "ROWS_A_SEAL", 3)
    for _ in range(3):
        note("cancel", actor="olga")
    note("forget", actor="beat", older_than_days=30)
    seal()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL inference.retention = 'on'")
        cursor.execute("DELETE FROM jobs_event WHERE actor = 'olga'")
        cursor.execute("ALTER TABLE jobs_auditseal DISABLE TRIGGER USER")
        cursor.execute("UPDATE jobs_auditseal SET newest_at = '2020-01-01' WHERE id = 1")
        cursor.execute("ALTER TABLE jobs_auditseal ENABLE TRIGGER USER")
    with pytest.raises(CommandError, match="seal 1: it was changed itself"):
        verify()


def test_the_check_says_until_when_events_were_forgotten_and_by_whom(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_seals, "ROWS_A_SEAL", 1)
    Event.objects.create(kind="cancel", at=timezone.now() - timedelta(days=40))
    seal()
    call_command("forget_events", "--older-than-days", "30", stdout=StringIO())
    seal()
    until = (timezone.now() - timedelta(days=30)).date()
    assert f"1 more were forgotten by rule, up to {until}, as command:" in verify()


def test_an_event_that_takes_long_to_write_is_sealed_in_its_order(runtime: psycopg.Connection) -> None:
    """Its id is drawn at the beginning of the statement, and all later events wait with it for their seal."""
    slow = threading.Thread(target=runtime.execute, args=(SLOW,))
    with connection.cursor() as cursor:
        slow.start()
        running = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
        wait_until(lambda: bool(cursor.execute(running).fetchone()[0]))
    note("cancel", actor="olga")
    seal(steps=4)
    assert AuditSeal.objects.count() == 0
    slow.join()
    seal()
    assert verify().startswith("1 seals and their 2 events")


@pytest.mark.parametrize(
    "detail",
    [
        "[]",
        "5",
        '"a text"',
        "null",
        f'{{"long": "{"x" * 2_000_000}"}}',
        f'{{"n": {"9" * 5_000}}}',
        f'{{"n": [{{"m": -{"9" * 5_000}}}]}}',
        f'{{"deep": {"[" * 500}{"]" * 500}}}',
    ],
    ids=["a list", "a number", "a text", "nothing", "2 MB", "5,000 digits", "as many inside", "500 levels"],
)
def test_what_could_stop_the_sealer_or_a_reader_is_refused(runtime: psycopg.Connection, detail: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        forge(runtime, "cancel", detail)


def test_a_promotion_has_the_time_at_which_it_is_noted(runtime: psycopg.Connection) -> None:
    runtime.execute(
        "INSERT INTO models_registry_promotion (model, alias, before, after, actor, at)"
        " VALUES ('m', 'live', '1', '2', 'me', '2020-01-01')"
    )
    assert Promotion.objects.get().at > timezone.now() - timedelta(minutes=5)

"""The audit: one row for each act, with actor, time and address, which cannot be changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from jobs.models import ApiToken, Event, Job
from jobs.services.access import audit, audit_seals
from jobs.services.access.audit import forget_events
from jobs.services.access.owner import forget_owners
from jobs.services.access.tokens import create_token
from jobs.services.submission import store
from models_registry import selectors
from models_registry.models import Promotion
from models_registry.services import move_alias
from tests.support.audit import seal
from tests.support.factories import make_version

GOOD = {"model": "echo", "input": {"text": "hello"}}
BAD = {"model": "echo", "input": 5}
BULK = "/api/v1/jobs/bulk"


@pytest.fixture
def post(db: str, settings_of_a_proxy: None) -> Callable[..., Any]:
    forget_owners()
    selectors.forget()
    make_version("echo", input_schema={"type": "object"})
    app = Client(headers={"Authorization": f"Bearer {create_token(client='app')}"})

    def send(body: Any, path: str = "/api/v1/jobs", **headers: str) -> Any:
        return app.post(path, json.dumps(body), "application/json", headers=headers, REMOTE_ADDR="10.0.0.1")

    return send


@pytest.fixture
def settings_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from django.conf import settings

    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, trusted_proxy_hops=1))


def submits() -> list[Event]:
    return list(Event.objects.filter(kind="submit").order_by("id"))


def test_a_submit_leaves_one_event_with_client_token_and_address(
    post: Callable[..., Any],
) -> None:
    job = post(GOOD, **{"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}).json()
    (event,) = submits()
    assert (str(event.job_id), event.actor, event.epoch) == (job["id"], "client:app", 0)
    assert (event.address, event.token) == ("203.0.113.9", ApiToken.objects.get().pk)
    assert event.at == Job.objects.get().created_at
    assert "hello" not in json.dumps(event.detail)


def test_a_bulk_call_leaves_one_event_with_its_counts(
    post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK_JOBS", 2)
    assert post([GOOD, BAD, GOOD, GOOD, GOOD, BAD], BULK).json()["accepted"] == 4
    (event,) = submits()
    assert (event.job_id, event.epoch, event.detail) == (None, None, {"jobs": 4, "refused": 2})


def test_a_call_whose_first_chunk_repeats_old_keys_is_audited_with_its_first_new_job(
    post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK_JOBS", 2)
    keyed = [GOOD | {"idempotency_key": key} for key in "abcdef"]
    post(keyed[:2], BULK)
    post(keyed, BULK)
    assert [event.detail["jobs"] for event in submits()] == [2, 6]


def test_a_call_without_a_new_job_leaves_no_event(post: Callable[..., Any]) -> None:
    post(BAD)
    post([BAD], BULK)
    assert submits() == []
    post(GOOD, **{"Idempotency-Key": "k"})
    post(GOOD, **{"Idempotency-Key": "k"})
    assert len(submits()) == Job.objects.count() == 1


@pytest.mark.parametrize("header", ["", "unknown", "' OR 1=1", "fe80::1%eth0", "1" * 5_000, "\u00ff"])
def test_a_job_is_accepted_with_any_header_of_a_proxy(post: Callable[..., Any], header: str) -> None:
    assert post(GOOD, **{"X-Forwarded-For": header}).status_code == 202


def test_the_next_request_does_not_inherit_an_address(post: Callable[..., Any]) -> None:
    post(GOOD, **{"X-Forwarded-For": "203.0.113.9"})
    create_token(client="other", actor="a test")
    assert Event.objects.get(kind="token_create", actor="a test").address is None


def test_cancels_and_replays_are_audited_with_the_address(post: Callable[..., Any], db: str) -> None:
    job = post(GOOD).json()["id"]
    for verb in ("cancel", "replay"):
        assert post({}, f"/api/v1/jobs/{job}/{verb}", **{"X-Forwarded-For": "203.0.113.9"}).status_code == 200
        event = Event.objects.get(kind=verb)
        assert (str(event.job_id), event.actor, event.address) == (job, "client:app", "203.0.113.9")
        assert event.token == ApiToken.objects.get().pk


CHANGES = (
    "UPDATE jobs_event SET actor = 'nobody'",
    "UPDATE jobs_event SET actor = 'nobody' WHERE false",
    "DELETE FROM jobs_event",
    "TRUNCATE jobs_event",
    "INSERT INTO jobs_event SELECT * FROM jobs_event ON CONFLICT (id) DO UPDATE SET actor = 'nobody'",
    "UPDATE models_registry_promotion SET actor = 'nobody'",
    "DELETE FROM models_registry_promotion",
    "TRUNCATE models_registry_promotion",
)


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_refuses_every_change_of_an_event(db: str, change: str) -> None:
    create_token(client="app", actor="olga")
    make_version("echo")
    make_version("echo", "2")
    move_alias(name="echo", alias="default", version="2", actor="olga")
    with pytest.raises(IntegrityError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(change)
    assert {*Event.objects.values_list("actor", flat=True)} == {Promotion.objects.get().actor} == {"olga"}


def test_not_even_retention_may_change_a_row(db: str) -> None:
    create_token(client="app")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():  # noqa: PT012, SIM117
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL inference.retention = 'on'")
            cursor.execute("UPDATE jobs_event SET actor = 'nobody'")


def test_only_retention_deletes_old_events_and_it_is_audited(db: str) -> None:
    old = timezone.now() - timedelta(days=31)
    Event.objects.bulk_create([Event(kind="cancel", at=old) for _ in range(3)])
    seal()
    create_token(client="app")
    seal()
    call_command("forget_events", "--older-than-days", "30", verbosity=0)
    assert sorted(Event.objects.values_list("kind", flat=True)) == ["forget", "token_create"]
    forgotten = Event.objects.get(kind="forget")
    assert forgotten.detail == {"older_than_days": 30, "events": 3}
    assert forgotten.actor.startswith("command")
    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute("DELETE FROM jobs_event")


def test_many_old_events_are_deleted_part_by_part(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "FORGOTTEN_AT_ONCE", 2)
    old = timezone.now() - timedelta(days=31)
    monkeypatch.setattr(audit_seals, "ROWS_A_SEAL", 2)
    Event.objects.bulk_create([Event(kind="cancel", at=old) for _ in range(4)])
    seal()
    assert forget_events(older_than_days=30, actor="a test") == 4
    assert [event.detail["events"] for event in Event.objects.all()] == [2, 2]


def test_what_was_forgotten_by_rule_is_no_fault_and_anything_else_is(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_seals, "ROWS_A_SEAL", 2)
    old = timezone.now() - timedelta(days=31)
    Event.objects.bulk_create([Event(kind="cancel", at=old) for _ in range(4)])
    create_token(client="app")
    seal()
    forget_events(older_than_days=30, actor="a test")
    seal()
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    assert "4 more were forgotten by rule" in out.getvalue()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL inference.retention = 'on'")
        cursor.execute("DELETE FROM jobs_event WHERE kind = 'token_create'")
    with pytest.raises(CommandError, match="seal 3: an event after the seal before was removed"):
        call_command("audit", "verify")


def test_an_event_that_is_not_sealed_is_not_forgotten(db: str) -> None:
    Event.objects.create(kind="cancel", at=timezone.now() - timedelta(days=31))
    assert forget_events(older_than_days=30, actor="a test") == 0
    assert Event.objects.filter(kind="cancel").count() == 1


def test_retention_s_permission_ends_with_its_statement(db: str) -> None:
    create_token(client="app")
    with transaction.atomic():
        forget_events(older_than_days=1, actor="a test")
        with pytest.raises(IntegrityError), transaction.atomic():
            Event.objects.all()._raw_delete("default")


def test_a_retention_of_no_days_is_refused(db: str) -> None:
    with pytest.raises(CommandError, match="above zero"):
        call_command("forget_events", "--older-than-days", "0")


def test_a_moved_alias_is_audited_with_its_earlier_version(db: str) -> None:
    make_version("echo")
    make_version("echo", "2")
    for version in ("2", "2", "1"):
        call_command("move_alias", "echo", "default", version, verbosity=0)
    moves = [(row.model, row.alias, row.before, row.after) for row in Promotion.objects.order_by("id")]
    assert moves == [("echo", "default", "1", "2"), ("echo", "default", "2", "1")]
    assert all(row.actor.startswith("command") for row in Promotion.objects.all())

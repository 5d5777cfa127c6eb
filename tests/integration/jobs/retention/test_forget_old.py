"""Everything ends: 400 days after a job's death nothing of it is left, and each kind goes by its setting."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from jobs.core.ids import first_id_at
from jobs.core.retention.kept_data import KEPT
from jobs.core.states import State
from jobs.models import (
    Batch,
    DeadLetter,
    Delivery,
    DisabledEndpoint,
    Event,
    Job,
    JobInput,
    Subject,
    Worker,
)  # fmt: skip
from jobs.services.retention.forget_old import forget_old
from jobs.services.retention.kept_report import traces_of
from jobs.services.retention.retain import keep_retention
from models_registry.models import LoadState, VersionLoad
from tests.support import worker
from tests.support.factories import make_client, make_job, make_version, make_worker
from tests.support.marker import TABLES, places

MARK = "Zq9-marker-of-the-dead"
AGED = {
    "jobs_job": ("created_at", "started_at", "finished_at"),
    "jobs_deadletter": ("created_at", "published_at"),
    "jobs_delivery": ("finished_at",),
    "jobs_disabledendpoint": ("since",),
    "jobs_batch": ("claimed_at", "finished_at"),
    "jobs_worker": ("started_at", "ended_at"),
}


def a_dead_job(session: sa.Connection) -> UUID:
    """Return a job that died with the mark in all that it has, with its webhook, its batch and its events."""
    make_version()
    job = make_job(body={"text": MARK}, idempotency_key=MARK, request_digest=b"d" * 32, id=_old_id())
    worker.run(session, worker.raising(lambda _: ValueError(MARK)))
    Worker.objects.update(ended_at=timezone.now())
    url = f"http://receiver.example/{MARK}"
    Delivery.objects.create(
        job=job, client=make_client(), url=url, state="failed", finished_at=timezone.now()
    )
    DisabledEndpoint.objects.create(client=make_client(), url=url)
    Subject.objects.create(job=job, client=make_client(), digest=b"s" * 32)
    assert DeadLetter.objects.filter(job=job).exists()
    return job.id


def _old_id() -> UUID:
    return first_id_at(int((timezone.now() - timedelta(days=400)).timestamp() * 1_000))


def age(days: int) -> None:
    """Move everything there is into the past."""
    with connection.cursor() as cursor:
        for table, columns in AGED.items():
            ages = ", ".join(f"{column} = {column} - interval '{days} days'" for column in columns)
            cursor.execute(f"UPDATE {table} SET {ages}")
        cursor.execute("ALTER TABLE jobs_event DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE jobs_event SET at = at - interval '{days} days'")
        cursor.execute("ALTER TABLE jobs_event ENABLE TRIGGER USER")


def test_400_days_on_nothing_of_a_dead_job_is_there(session: sa.Connection, tmp_path: Path) -> None:
    job = a_dead_job(session)
    assert len(places(MARK, tmp_path)) >= 5, "else this test would prove nothing"
    age(400)
    forget_old(actor="test")
    keep_retention(actor="test")
    forget_old(actor="test")
    assert places(MARK, tmp_path) == set()
    kept = (Job, JobInput, DeadLetter, Delivery, DisabledEndpoint, Subject, Batch, Worker)
    assert {table.__name__: table.objects.count() for table in kept} == {t.__name__: 0 for t in kept}
    assert {event.kind for event in Event.objects.all()} <= {"delete", "failed", "forget"}
    assert traces_of(job).is_absent


def test_a_job_that_is_younger_than_the_settings_keeps_everything(session: sa.Connection) -> None:
    job = a_dead_job(session)
    age(25)
    assert not any(forget_old(actor="test").values())
    assert Job.objects.get(pk=job).idempotency_key == MARK


def test_each_kind_goes_by_its_own_setting(session: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    job = a_dead_job(session)
    age(60)
    counts = forget_old(actor="test")
    assert {kind for kind, rows in counts.items() if rows} == {
        "deliveries", "disabled addresses", "idempotency keys",
    }  # fmt: skip
    row = Job.objects.get(pk=job)
    assert (row.idempotency_key, row.request_digest, row.state) == (None, None, State.DEAD)
    assert DeadLetter.objects.filter(job=job).exists()


def test_what_a_worker_held_goes_with_the_worker_and_stays_while_it_lives(db: str) -> None:
    make_worker("gpu-0@lives")
    for node in ("gpu-0@lives", "gpu-0@gone"):
        since = timezone.now() - timedelta(days=400)
        VersionLoad.objects.create(version=make_version(), node=node, state=LoadState.READY, since=since)
    forget_old(actor="test")
    assert [load.node for load in VersionLoad.objects.all()] == ["gpu-0@lives"]


def test_a_live_job_stays_whatever_its_age(db: str) -> None:
    make_job(body={"text": MARK}, idempotency_key=MARK, id=_old_id())
    age(4_000)
    forget_old(actor="test")
    assert Job.objects.get().idempotency_key == MARK
    assert JobInput.objects.exists()


def test_every_table_is_of_a_kind_that_is_documented(db: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES.replace("table_type", "table_name !~ '_k\\d+|_other$' AND table_type"))
        tables = {name for (name,) in cursor.fetchall()}
    assert {table for kept in KEPT for table in kept.tables} == tables
    assert all(not kept.setting or hasattr(settings.INFERENCE, kept.setting.lower()) for kept in KEPT)
    assert [kept.name for kept in KEPT if kept.content and not kept.setting] == [
        "the references of watched versions, in sketches",
        "uploads",
    ]


def test_the_report_shows_what_is_kept_and_where_a_job_stands(session: sa.Connection) -> None:
    job = a_dead_job(session)
    report = printed()
    assert "DEAD_LETTERS_DAYS" in report
    assert "    30" in report
    left = printed(job=job)
    assert "jobs_deadletter.job_id: 1 rows, content" in left
    assert left.endswith("its content is kept\n")
    call_command("erase", job=job)
    left = printed(job=job)
    assert "nothing of its content is kept; it was erased at" in left
    assert MARK not in left


def printed(**options: Any) -> str:
    out = StringIO()
    call_command("retention_report", stdout=out, **options)
    return out.getvalue()


def test_the_audit_of_a_run_has_counts_and_no_content(session: sa.Connection) -> None:
    a_dead_job(session)
    age(400)
    forget_old(actor="test")
    assert MARK not in json.dumps([event.detail for event in Event.objects.exclude(kind="failed")])

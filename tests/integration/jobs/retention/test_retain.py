"""Payloads dropped with their day, payloads kept for unfinished jobs, and no long lock for either."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from io import StringIO
from threading import Thread
from typing import Any

import psycopg
import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from jobs import metrics
from jobs.core.errors import PayloadGoneError
from jobs.core.retention.partition_sql import TABLES
from jobs.core.states import State
from jobs.db.leases import RETENTION, HeldLeases
from jobs.db.session import open_session
from jobs.models import CacheEntry, DeadLetter, Event, Follower, Job, JobInput, JobKey, JobResult, Outbox
from jobs.services.access.owner import forget_owners
from jobs.services.access.tokens import create_token
from jobs.services.dead_letters.dry_run import dry_run_one
from jobs.services.dead_letters.edit import replay_edited
from jobs.services.lifecycle.replay import lock_replayable, replay_job, requeue
from jobs.services.reads.job_views import job_view
from jobs.services.retention import retain
from jobs.services.retention.retain import AnotherRunError, PartitionFate, PartitionVerdict, keep_retention
from models_registry import selectors
from tests.support.audit import seal
from tests.support.factories import make_job, make_version
from tests.support.locks import wait_until_a_session_is_blocked
from tests.support.partitions import CLASS, exists, fates, home, job_of, make, window
from tests.support.submit import submit_to

INPUT, RESULT = TABLES
OVER, KEPT = window(4), window(1)
GONE = {f"drop: over since {OVER.gone_at:%Y-%m-%d}"}


@pytest.fixture(autouse=True)
def days(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(retain, "TRIES", 1)
    selectors.forget()
    make(OVER, KEPT)
    yield
    selectors.forget()


def run(**options: Any) -> list[PartitionVerdict]:
    return keep_retention(actor="tests", **options)


def test_a_day_past_its_retention_is_dropped_and_others_stay() -> None:
    gone, recent, today = job_of(OVER), job_of(KEPT), make_job(state=State.SUCCEEDED)
    verdicts = run()
    assert fates(verdicts, OVER) == GONE
    assert fates(verdicts, KEPT) == {f"keep: until {KEPT.gone_at:%Y-%m-%d}"}
    assert not exists(f"{INPUT}{OVER.suffix}")
    assert not exists(f"{RESULT}{OVER.suffix}")
    rows = [set(model.objects.values_list("pk", flat=True)) for model in (Job, JobInput, JobResult)]
    assert rows == [{gone.pk, recent.pk, today.pk}, {recent.pk, today.pk}, {recent.pk, today.pk}]


def test_a_dropped_day_frees_its_space_at_once() -> None:
    for _ in range(20):
        job_of(OVER, body="x" * 100_000)
    job_of(KEPT, body="x" * 100_000)
    before, beside = size(f"{INPUT}%"), size(f"{INPUT}{KEPT.suffix}")
    freed = size(f"{INPUT}{OVER.suffix}")
    run()
    assert size(f"{INPUT}%") == before - freed
    assert size(f"{INPUT}{KEPT.suffix}") == beside


def size(tables: str) -> int:
    query = "SELECT COALESCE(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relname LIKE %s"
    with connection.cursor() as cursor:
        cursor.execute(f"{query} AND relkind = 'r'", (tables,))
        return int(cursor.fetchall()[0][0])


def a_follower(day: Any) -> Job:
    job = job_of(day, State.QUEUED)
    Outbox.objects.filter(job=job).delete()
    Follower.objects.create(job=job, leader=make_job().id, key=b"k" * 32, priority=4)
    return job


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.RUNNING, State.DEAD])
def test_an_unfinished_job_keeps_its_input_when_its_day_is_dropped(state: State) -> None:
    live, gone = job_of(OVER, state), job_of(OVER)
    assert fates(run(), OVER) == {next(iter(GONE)) + "; the payloads of 1 live jobs are saved"}
    assert home(INPUT, live.id) == f"{INPUT}_k{CLASS}_other"
    assert home(INPUT, gone.id) == ""
    assert not exists(f"{INPUT}{OVER.suffix}")
    assert metrics.RETENTION_OUTLIVED.labels(INPUT)._value.get() == 1
    assert metrics.RETENTION_MISPLACED.labels(INPUT)._value.get() == 0


def test_a_follower_keeps_its_input() -> None:
    follower = a_follower(OVER)
    run()
    assert home(INPUT, follower.id) == f"{INPUT}_k{CLASS}_other"


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.CANCELLED, State.EXPIRED])
def test_a_job_that_has_ended_is_no_reason_to_keep_its_input(state: State) -> None:
    job = job_of(OVER, state)
    run()
    assert not JobInput.objects.filter(pk=job.pk).exists()


def test_a_discarded_dead_letter_keeps_no_input() -> None:
    job = job_of(OVER, State.DEAD)
    DeadLetter.objects.update(discarded_at=timezone.now())
    run()
    assert not JobInput.objects.filter(pk=job.pk).exists()


def test_a_kept_payload_is_deleted_one_retention_after_its_job_s_end() -> None:
    job = job_of(OVER, State.DEAD)
    run()
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=CLASS, hours=1))
    run()
    kept_by_its_letter = JobInput.objects.filter(pk=job.pk).exists()
    DeadLetter.objects.update(discarded_at=timezone.now())
    run()
    assert (kept_by_its_letter, JobInput.objects.filter(pk=job.pk).exists()) == (True, False)


def test_a_job_with_a_kept_payload_can_be_replayed_and_its_result_is_kept_from_then_on() -> None:
    job = job_of(OVER, State.DEAD)
    run()
    replay_job(job_id=job.id, actor="olga")
    assert Outbox.objects.filter(job=job).exists()
    Outbox.objects.all().delete()
    Job.objects.filter(pk=job.pk).update(state=State.SUCCEEDED, finished_at=timezone.now())
    JobResult.objects.create(job=job, keep_days=CLASS, epoch=1, body=b"{}")
    run()
    assert home(RESULT, job.id) == f"{RESULT}_k{CLASS}_other"


def test_a_day_with_very_many_live_jobs_is_postponed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retain, "SAVED_JOBS", 1)
    jobs = [job_of(OVER, State.QUEUED) for _ in range(2)]
    assert fates(run(), OVER) == {"leave: more than 1 of its jobs are still live"}
    assert [home(INPUT, job.id) for job in jobs] == [f"{INPUT}{OVER.suffix}"] * 2
    assert metrics.RETENTION_LEFT._value.get() == 2


def test_jobs_replayed_while_it_waited_for_the_lock_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retain, "SAVED_JOBS", 1)
    foreseen = retain._foreseen

    def and_then(*values: Any) -> list[PartitionVerdict]:
        verdicts = foreseen(*values)
        for _ in range(2):
            job_of(OVER, State.QUEUED)
        return verdicts

    monkeypatch.setattr(retain, "_foreseen", and_then)
    assert fates(run(), OVER) == {"leave: more than 1 of its jobs are still live"}
    assert Event.objects.count() == 0


@pytest.fixture
def reader(db: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(db) as opened:
        opened.execute("SELECT count(*) FROM jobs_jobinput")
        yield opened
        opened.rollback()


def test_retention_gives_up_behind_a_long_reader_and_submits_go_on(
    reader: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_version("echo", options={"retention_days": CLASS})
    monkeypatch.setattr(retain, "TRIES", 5)
    monkeypatch.setattr(retain, "PAUSE_S", 0.0)
    verdicts: list[PartitionVerdict] = []
    at_work = Thread(target=_run_into, args=(verdicts,), daemon=True)
    at_work.start()
    wait_until_a_session_is_blocked()
    sender = Thread(target=_submit, args=(50,), daemon=True)
    sender.start()
    sender.join(60)
    at_work.join(60)
    assert not sender.is_alive()
    assert not at_work.is_alive()
    assert Job.objects.count() == 50
    assert fates(verdicts, OVER) == {"leave: others use it"}
    reader.rollback()
    assert fates(run(), OVER) == GONE


def _run_into(verdicts: list[PartitionVerdict]) -> None:
    verdicts.extend(run())
    connection.close()


def _submit(count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '3s'")  # many times as long as retention waits
    for _ in range(count):
        submit_to("echo", {})
    connection.close()


def test_a_replay_in_progress_keeps_the_day() -> None:
    job = job_of(OVER, State.CANCELLED)
    with transaction.atomic():
        lock_replayable(job.id)
        requeue([job.id], actor="olga")
        assert fates(run(), OVER) == {"leave: others use it"}
    run()
    assert home(INPUT, job.id) == f"{INPUT}_k{CLASS}_other"


def test_two_runs_never_work_at_once() -> None:
    with closing(open_session()) as other:
        assert HeldLeases(other, RETENTION, lease_s=300.0).take(RETENTION)
        with pytest.raises(AnotherRunError):
            run()
        with pytest.raises(CommandError, match="another run"):
            call_command("retention")
    assert fates(run(), OVER) == GONE


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_a_job_without_its_input_cannot_be_replayed_and_stays_unchanged(state: State) -> None:
    job = job_of(OVER, state)
    run()
    with pytest.raises(PayloadGoneError):
        replay_job(job_id=job.id, actor="olga")
    with pytest.raises(PayloadGoneError):
        dry_run_one(job_id=job.id)
    with pytest.raises(PayloadGoneError):
        replay_edited(job_id=job.id, actor="olga", text="{}")
    assert Job.objects.get(pk=job.pk).state == state
    assert not Outbox.objects.exists()


def test_the_api_reports_that_a_job_s_payload_has_expired() -> None:
    forget_owners()
    token = create_token(client="tests", scopes=["read", "replay"])
    app = Client(headers={"Authorization": f"Bearer {token}"})
    job, dropped = job_of(OVER), job_of(OVER, State.CANCELLED)
    before = app.get(f"/api/v1/jobs/{job.id}").json()
    run()
    after = app.get(f"/api/v1/jobs/{job.id}").json()
    refused = app.post(f"/api/v1/jobs/{dropped.id}/replay")
    assert (before["payload_expired"], before["output"]) == (False, {})
    assert after["payload_expired"]
    assert "output" not in after
    assert (refused.status_code, refused.json()["code"]) == (410, "payload_gone")
    assert app.get(f"/api/v1/jobs/{job.id}/lineage").json()["input"] is None


def test_the_api_reports_no_expired_payload_of_a_live_job() -> None:
    job = job_of(OVER, State.QUEUED)
    run()
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert not view["payload_expired"]


def test_a_cache_entry_does_not_outlive_its_answer() -> None:
    version = make_version("cached", options={"cache_ttl_s": 366 * 86_400, "retention_days": CLASS})
    first = submit_to("cached", {})
    Outbox.objects.all().delete()
    Job.objects.filter(pk=first.id).update(state=State.SUCCEEDED, finished_at=timezone.now())
    answered = job_of(OVER, model="cached", version=version)
    CacheEntry.objects.update(job=answered)
    hit = submit_to("cached", {})
    run()
    miss = submit_to("cached", {})
    assert (hit.cached_from, hit.state) == (answered.id, "succeeded")
    assert (miss.cached_from, miss.state) == (None, "queued")
    assert home(RESULT, hit.id) == f"{RESULT}{window(0).suffix}"


def test_a_dropped_day_leaves_one_event_with_its_details() -> None:
    job_of(OVER)
    job_of(OVER, State.QUEUED)
    run()
    event = Event.objects.get()
    assert (event.kind, event.actor) == ("delete", "tests")
    assert event.detail["first_day"] == f"{OVER.date}"
    assert set(event.detail["tables"]) == set(TABLES)
    assert event.detail["tables"][INPUT]["bytes"] > 0
    assert (event.detail["keep_days"], event.detail["put_aside"]) == (CLASS, 1)


def test_a_dry_run_reports_the_same_and_changes_nothing() -> None:
    job = job_of(OVER)
    assert fates(run(dry_run=True), OVER) == GONE
    assert home(INPUT, job.id) == f"{INPUT}{OVER.suffix}"
    assert not Event.objects.exists()


def test_the_command_prints_each_partition_s_verdict() -> None:
    out = StringIO()
    call_command("retention", "--dry-run", stdout=out)
    names = [str(OVER.date), str(CLASS), INPUT]  # partitions of other classes may lie at that date too
    (line,) = [line for line in out.getvalue().splitlines() if line.split()[:3] == names]
    assert " drop " in line


def test_the_next_run_creates_a_version_s_class_ahead() -> None:
    make_version("half", options={"retention_days": 23})
    foreseen = [v for v in run(dry_run=True) if v.leaf.window.keep_days == 23]
    run()
    assert {verdict.fate for verdict in foreseen} <= {PartitionFate.MAKE, PartitionFate.KEEP}
    assert all(exists(f"{table}{window(-7, 23).suffix}") for table in TABLES)


def test_the_keys_of_a_job_go_with_its_payloads_and_no_others() -> None:
    gone, recent = job_of(OVER), job_of(KEPT)
    dead = job_of(OVER, State.DEAD)
    other = job_of(OVER, keep_days=KEPT.keep_days + 40)
    for job in (gone, recent, dead, other):
        JobKey.objects.create(job_id=job.pk, wrapped=b"w", answer=b"a")
    run()
    assert set(JobKey.objects.values_list("job_id", flat=True)) == {recent.pk, dead.pk, other.pk}
    DeadLetter.objects.filter(job=dead).delete()
    Job.objects.filter(pk=dead.pk).update(finished_at=timezone.now() - timedelta(days=100))
    run()
    assert not JobKey.objects.filter(job_id=dead.pk).exists()


def test_every_task_of_beat_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    from inference_site.celery import app
    from jobs import tasks

    app.loader.import_default_modules()
    sent = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert sent == {
        "jobs.keep_retention", "jobs.forget_events", "jobs.forget_payloads", "jobs.note_beat",
        "jobs.forget_old", "jobs.purge_letters", "jobs.continue_erasures", "jobs.warn_of_tokens",
        "jobs.continue_edits", "jobs.compare_drift", "jobs.send_drift_webhooks",
    }  # fmt: skip
    assert sent <= set(current_app.tasks)
    tasks.retention()
    assert not exists(f"{INPUT}{OVER.suffix}")
    assert Event.objects.get().actor == "beat"


def test_the_audit_is_kept_for_ever_unless_a_setting_limits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from django.conf import settings

    from jobs import tasks

    Event.objects.create(kind="submit", at=timezone.now() - timedelta(days=400))
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, events_days=0))
    tasks.events()
    before = Event.objects.count()
    seal()
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, events_days=399))
    tasks.events()
    assert (before, json.dumps(list(Event.objects.values_list("kind", flat=True)))) == (1, '["forget"]')

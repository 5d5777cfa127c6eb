"""What a failed attempt leaves behind, and when there is another."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.db.models import F
from django.utils import timezone

from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.states import State
from jobs.models import AttemptMessage, DeadLetter, Event, Job, JobResult, Outbox
from jobs.services.lifecycle import overdue
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle.claim import Claimed, claim, recover
from jobs.services.lifecycle.poison import convict
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.replay import replay_job
from jobs.services.lifecycle.settle import Settled, Verdict, settle
from jobs.services.relay import statements as feed
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_batch, make_job, make_version, make_worker

BUSY = Failure(FailureKind.TRANSIENT, "busy", "try later")
BROKEN = Failure(FailureKind.INTERNAL, "ValueError", "it raised")
LAST = Bury("attempt 3 of 3 was the last", exhausted=True)


def claimed(session: sa.Connection, job: Job) -> tuple[UUID, Claimed]:
    job.refresh_from_db()
    row = batch_row(job.version, make_worker(node=f"gpu-{job.epoch}@tests").id)
    (attempt,) = claim(session, batch=row, envelopes=[envelope_of(job)])
    return row.id, attempt


def failed(
    session: sa.Connection, job: Job, failure: Failure, after: RetryAfter | Bury
) -> tuple[UUID, list[Settled]]:
    """Claim the job and settle the attempt as failed; return the batch and the settled jobs."""
    batch, attempt = claimed(session, job)
    suspect = failure.kind is FailureKind.INTERNAL and isinstance(after, Bury) and after.exhausted
    verdict = Verdict(job.id, attempt.epoch, failure, after, attempt=attempt.attempts, suspect=suspect)
    verdicts = convict(session, [verdict])
    settled, _locked = settle(session, batch=batch, verdicts=verdicts, worker="gpu-0@tests")
    return batch, settled


def test_a_failed_attempt_is_an_event_with_the_delay_of_the_next(session: sa.Connection) -> None:
    job = make_job()
    batch, _ = failed(session, job, BUSY, RetryAfter(30.0))
    event, outbox = Event.objects.get(job=job, kind="failed"), Outbox.objects.get(job=job)
    assert AttemptMessage.objects.get(event_id=event.pk).message == "try later"
    assert event.detail == {
        "kind": "transient", "code": "busy", "batch": str(batch),
        "worker": "gpu-0@tests", "attempt": 1, "delay_s": 30.0,
    }  # fmt: skip
    assert outbox.retry
    assert (outbox.due - event.at).total_seconds() == pytest.approx(30.0, abs=5)


def test_a_dead_letter_has_its_reason_and_each_failed_attempt(session: sa.Connection) -> None:
    job = make_job(max_attempts=3)
    failed(session, job, BUSY, RetryAfter(0.0))
    failed(session, job, BUSY, RetryAfter(0.0))
    failed(session, job, BUSY, LAST)
    letter = DeadLetter.objects.get(job=job)
    assert letter.reason == LAST.reason
    assert [(a["attempt"], a["message"], a.get("delay_s"), a.get("reason")) for a in letter.history] == [
        (1, "try later", 0.0, None),
        (2, "try later", 0.0, None),
        (3, "try later", None, LAST.reason),
    ]
    assert [a["worker"] for a in letter.history] == [f"gpu-{epoch}@tests" for epoch in (0, 1, 2)]


def test_a_job_that_killed_its_worker_names_its_last_attempt(session: sa.Connection) -> None:
    job = make_job(max_attempts=1)
    batch = make_batch(make_worker(ended_at=timezone.now()), make_version(), [job], isolation_group=7)
    sweep.reap(session, batch.id)
    letter = DeadLetter.objects.get(job=job)
    assert letter.reason == "attempt 1 of 1 was the last"
    assert (letter.history[0]["attempt"], letter.history[0]["message"]) == (1, letter.message)


def dies_after(session: sa.Connection, *before: Failure) -> Job:
    job = make_job(max_attempts=len(before) + 1)
    for failure in before:
        failed(session, job, failure, RetryAfter(0.0))
    failed(session, job, BROKEN, LAST)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ((), "poison"),
        ((BROKEN, BROKEN), "poison"),
        ((BUSY, BROKEN), "internal"),
        ((BROKEN, BUSY), "internal"),
    ],
)
def test_a_job_is_poison_only_if_it_failed_alone_every_time(
    session: sa.Connection, before: tuple[Failure, ...], kind: str
) -> None:
    job = dies_after(session, *before)
    letter = DeadLetter.objects.get(job=job)
    assert (job.error_kind, letter.kind, letter.fingerprint.partition(":")[0]) == (kind, kind, kind)


def test_failures_before_a_replay_do_not_count(session: sa.Connection) -> None:
    job = dies_after(session, BUSY)
    replay_job(job_id=job.id, actor="test")
    Job.objects.filter(id=job.id).update(max_attempts=2)
    failed(session, job, BROKEN, RetryAfter(0.0))
    failed(session, job, BROKEN, LAST)
    assert DeadLetter.objects.get(job=job).kind == "poison"


def test_only_a_publish_after_a_failed_attempt_is_a_retry(session: sa.Connection) -> None:
    fresh, released, reaped, replayed, retried = (make_job() for _ in range(5))
    batch, attempt = claimed(session, released)
    release(session, batch=batch, jobs=[(released.id, attempt.epoch)])
    batch, _ = claimed(session, reaped)
    sweep.reap(session, batch)
    failed(session, replayed, BUSY, LAST)
    replay_job(job_id=replayed.id, actor="test")
    failed(session, retried, BUSY, RetryAfter(0.0))
    rows = feed.take_fresh(session, "echo", rooms=dict.fromkeys(range(10), 100), most=100)
    assert {row.envelope.job: row.retry for row in rows} == {
        fresh.id: False, released.id: False, reaped.id: False, replayed.id: False, retried.id: True,
    }  # fmt: skip


def test_a_released_retry_is_an_ordinary_publish_again(session: sa.Connection) -> None:
    job = make_job()
    failed(session, job, BUSY, RetryAfter(0.0))
    batch, attempt = claimed(session, job)
    release(session, batch=batch, jobs=[(job.id, attempt.epoch)])
    assert not Outbox.objects.get(job=job).retry


def test_a_replay_overwrites_every_column_of_a_stale_outbox_row(session: sa.Connection) -> None:
    job = make_job(state=State.DEAD, priority=7, size=3)
    fresh = make_job(priority=7, size=3)
    times = {"epoch": 9, "priority": 1, "size": 8, "due": timezone.now() + timedelta(days=1), "published": 4}
    others = {"model": "other", "parameters_digest": 5, "isolation_group": 6, "retry": True, "client": 999}
    Outbox.objects.create(job=job, version=job.version, deadline=timezone.now(), **times, **others)
    replay_job(job_id=job.id, actor="test")
    columns = [
        field.attname
        for field in Outbox._meta.concrete_fields
        if field.attname not in {"job_id", "due", "since"}
    ]
    replayed, queued = (Outbox.objects.values(*columns).get(job_id=row.id) for row in (job, fresh))
    assert replayed == queued | {"epoch": 1}
    assert Outbox.objects.get(job=job).due <= timezone.now()
    assert Outbox.objects.get(job=job).since >= Outbox.objects.get(job=job).due


def test_a_claim_has_the_time_until_the_deadline(session: sa.Connection) -> None:
    hurried, calm = make_job(deadline=timezone.now() + timedelta(seconds=60)), make_job()
    batch, attempt = claimed(session, hurried)
    assert attempt.left_s == pytest.approx(60, abs=10)
    (again,) = recover(session, batch=batch, jobs=[hurried.id])
    assert again.left_s == pytest.approx(60, abs=10)
    assert claimed(session, calm)[1].left_s is None


def test_a_claim_refuses_a_job_past_its_deadline(session: sa.Connection) -> None:
    job = make_job(deadline=timezone.now() - timedelta(seconds=1))
    assert claim(session, batch=batch_row(), envelopes=[envelope_of(job)]) == []
    assert overdue.expire(session, [job.id]).all == [(job.id, "echo")]


@pytest.mark.parametrize(
    ("outcome", "after"), [(Success(b"{}"), None), (BUSY, RetryAfter(0.0)), (BUSY, LAST)]
)
def test_a_settle_after_the_deadline_expires_whatever_the_verdict(
    session: sa.Connection, outcome: Success | Failure, after: RetryAfter | Bury | None
) -> None:
    job = make_job(deadline=timezone.now() + timedelta(seconds=600))
    batch, attempt = claimed(session, job)
    Job.objects.filter(id=job.id).update(deadline=F("created_at"))
    verdict = Verdict(job.id, attempt.epoch, outcome, after, attempt=1)
    settled, _locked = settle(session, batch=batch, verdicts=[verdict])
    assert settled == [Settled(job.id, State.EXPIRED)]
    job.refresh_from_db()
    assert (job.state, job.error_kind, job.error_code) == ("expired", "timeout", "deadline")
    assert job.epoch == attempt.epoch + 1
    rows = [model.objects.filter(job=job).exists() for model in (JobResult, Outbox, DeadLetter)]
    assert rows == [False] * 3
    reasons = [event.detail.get("reason") for event in Event.objects.filter(job=job, kind="failed")]
    assert reasons == ([] if isinstance(outcome, Success) else ["its deadline passed while it ran"])


def test_a_settle_before_the_deadline_stores_the_answer(session: sa.Connection) -> None:
    job = make_job(deadline=timezone.now() + timedelta(seconds=600))
    batch, attempt = claimed(session, job)
    verdict = Verdict(job.id, attempt.epoch, Success(b"{}"))
    settled, _locked = settle(session, batch=batch, verdicts=[verdict])
    assert settled == [Settled(job.id, State.SUCCEEDED)]
    assert JobResult.objects.filter(job=job).exists()

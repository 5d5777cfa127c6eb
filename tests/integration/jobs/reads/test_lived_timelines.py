"""Timelines of jobs that were really claimed, failed, taken back and stored."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.stages import StageTimes
from jobs.core.states import State
from jobs.core.timeline.attempt_marks import JobStage
from jobs.db.session import transaction
from jobs.models import Job
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.claim import claim
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.replay import replay_job
from jobs.services.lifecycle.settle import Verdict, settle
from jobs.services.reads.job_timeline import JobTimeline, read_timeline
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_job

TIMES = StageTimes(claim_s=0.001, lane_s=0.001, ran_s=0.001)
BUSY = Failure(FailureKind.TRANSIENT, "busy", "later")


def claimed(session: sa.Connection, job: Job) -> UUID:
    job.refresh_from_db()
    row = replace(batch_row(), sealed_at=time.monotonic())
    with transaction(session):
        assert claim(session, batch=row, envelopes=[envelope_of(job)], buffered_s=[0.0])
    job.refresh_from_db()
    return row.id


def settled(
    session: sa.Connection, job: Job, outcome: Success | Failure, after: RetryAfter | Bury | None
) -> None:
    batch = claimed(session, job)
    with transaction(session):
        verdict = Verdict(job.id, job.epoch, outcome, after, job.attempts)
        assert settle(session, batch=batch, verdicts=[verdict], times=TIMES)[0]
    job.refresh_from_db()


def whole(job: Job) -> JobTimeline:
    """Return the timeline of a job that ended, whose stages are its whole life."""
    timeline = read_timeline(job.pk)
    assert timeline is not None
    assert job.finished_at is not None
    every = [part for attempt in timeline.attempts for part in attempt.parts]
    assert (every[0].begin, every[-1].end) == (job.created_at, job.finished_at)
    life_s = (job.finished_at - job.created_at).total_seconds()
    assert sum(part.seconds for part in every) == pytest.approx(life_s, abs=0.005)
    return timeline


def outcomes(timeline: JobTimeline) -> list[str]:
    return [attempt.outcome for attempt in timeline.attempts]


def test_a_job_that_was_tried_again_has_both_attempts(session: sa.Connection) -> None:
    job = make_job()
    settled(session, job, BUSY, RetryAfter(0.0))
    settled(session, job, Success(b"1"), None)
    timeline = whole(job)
    assert outcomes(timeline) == ["failed", "succeeded"]
    assert timeline.attempts[0].code == "busy"
    first = timeline.attempts[1].parts[0]
    assert first.part is not JobStage.BACKOFF or first.seconds < 1.0, "it was due at once"


def test_a_job_that_died_and_was_replayed_tells_of_both_lives(session: sa.Connection) -> None:
    job = make_job()
    settled(session, job, BUSY, Bury("attempt 1 of 1 was the last"))
    assert outcomes(whole(job)) == ["failed"]
    replay_job(job_id=job.pk, actor="olga")
    settled(session, job, Success(b"1"), None)
    timeline = whole(job)
    assert outcomes(timeline) == ["failed", "succeeded"]
    lay = timeline.attempts[1].parts[0]
    assert (lay.part, "until it was replayed" in timeline.sentence(timeline.attempts[1], lay)) == (
        JobStage.BACKOFF,
        True,
    )


def test_a_job_that_was_given_back_and_then_cancelled_has_two_attempts(session: sa.Connection) -> None:
    job = make_job()
    batch = claimed(session, job)
    with transaction(session):
        release(session, batch=batch, jobs=[(job.pk, job.epoch)])
    claimed(session, job)
    cancel_job(job_id=job.pk, actor="olga")
    job.refresh_from_db()
    timeline = whole(job)
    assert outcomes(timeline) == ["taken back", "cancelled"]
    last = timeline.attempts[1]
    assert last.parts[-1].part is JobStage.RUN
    assert timeline.sentence(last, last.parts[-1]).endswith("Then it was cancelled.")


def test_a_replay_forgets_neither_the_run_that_was_cancelled_nor_the_wait_that_expired(
    session: sa.Connection,
) -> None:
    ran, waited = make_job(), make_job()
    Job.objects.filter(pk__in=[ran.pk, waited.pk]).update(created_at=timezone.now() - timedelta(seconds=60))
    batch = claimed(session, ran)
    cancel_job(job_id=ran.pk, actor="olga")
    at = timezone.now() - timedelta(seconds=20)
    Job.objects.filter(pk=waited.pk).update(state=State.EXPIRED, finished_at=at)
    for job in (ran, waited):
        replay_job(job_id=job.pk, actor="olga")
        settled(session, job, Success(b"1"), None)
    timeline = whole(ran)
    assert outcomes(timeline) == ["cancelled", "succeeded"]
    assert (timeline.attempts[0].batch, timeline.attempts[0].parts[-1].part) == (batch, JobStage.RUN)
    timeline = whole(waited)
    assert outcomes(timeline) == ["expired", "succeeded"]
    (only,) = timeline.attempts[0].parts
    assert (only.part, round(only.seconds)) == (JobStage.OUTBOX, 40)
    assert timeline.sentence(timeline.attempts[0], only).endswith("Then its deadline passed.")

"""Rare cases of the protocol, which a storm may never reach, one at a time on the real statements."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.messages.envelope import Envelope
from jobs.core.relay.publish_policy import VISIBILITY_S
from jobs.core.retry.policy import RetryAfter
from jobs.core.states import State
from jobs.models import Batch, Job, Outbox
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle import worker_row
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.claim import BatchRow, claim
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.replay import replay_job
from jobs.services.lifecycle.settle import Verdict, settle
from jobs.services.relay import statements as feed
from jobs.services.relay.in_flight_statements import in_flight
from tests.support.claims import batch_row
from tests.support.factories import make_batch, make_job, make_jobs, make_version, make_worker

ROOMY = dict.fromkeys(range(10), 1_000)


def claimed_by(session: sa.Connection, node: str, envelopes: list[Envelope]) -> BatchRow:
    row = batch_row(worker=make_worker(node=node).id)
    claim(session, batch=row, envelopes=envelopes)
    return row


def published(session: sa.Connection) -> list[Envelope]:
    return [row.envelope for row in feed.take_fresh(session, "echo", rooms=ROOMY, most=100)]


def test_a_reap_spares_a_member_that_was_cancelled_replayed_and_runs_elsewhere(
    session: sa.Connection,
) -> None:
    first, second = make_jobs(2)
    lost = claimed_by(session, "dies@tests", published(session))
    cancel_job(job_id=first.id, actor="test")
    replay_job(job_id=first.id, actor="test")
    living = claimed_by(session, "lives@tests", published(session))
    worker_row.end(session, lost.worker, "silent")
    assert [orphan.id for orphan in sweep.orphaned_batches(session, 10)] == [lost.id]
    assert sweep.reap(session, lost.id) == sweep.Reaped(queued=1)
    assert dict(Job.objects.values_list("id", "state")) == {first.id: "running", second.id: "queued"}
    settle(session, batch=living.id, verdicts=[Verdict(first.id, 4, Success(b"{}"))])
    assert Job.objects.get(id=first.id).state == State.SUCCEEDED


def released(session: sa.Connection, job: Job, batch: Batch) -> None:
    release(session, batch=batch.id, jobs=[(job.id, 1)])


def reaped(session: sa.Connection, job: Job, batch: Batch) -> None:
    sweep.reap(session, batch.id)


def retried(session: sa.Connection, job: Job, batch: Batch) -> None:
    failure = Failure(FailureKind.TRANSIENT, "flaky", "not yet")
    settle(session, batch=batch.id, verdicts=[Verdict(job.id, 1, failure, RetryAfter(0.0))])


def replayed(session: sa.Connection, job: Job, batch: Batch) -> None:
    Job.objects.update(state=State.DEAD, finished_at=timezone.now())
    replay_job(job_id=job.id, actor="test")


@pytest.mark.parametrize("enqueue", [released, reaped, retried, replayed])
def test_a_job_queued_again_is_published_at_once_over_a_stale_outbox_row(
    session: sa.Connection, enqueue: Callable[[sa.Connection, Job, Batch], None]
) -> None:
    job = make_job(priority=2)
    batch = make_batch(make_worker(), make_version(), [job])
    stale = {"epoch": 0, "version_id": job.version_id, "model": "other", "priority": 0, "size": 7}
    Outbox.objects.create(job=job, published=5, due=timezone.now() + timedelta(hours=1), **stale)
    enqueue(session, job, batch)
    job.refresh_from_db()
    rows = [(one.job, one.epoch, one.version, one.priority, one.size) for one in published(session)]
    assert rows == [(job.id, job.epoch, job.version_id, 2, 0)]
    assert in_flight(session, "echo").jobs == {(2, job.client_id): 1}
    visible_s = (Outbox.objects.get(job=job).due - timezone.now()).total_seconds()
    assert visible_s == pytest.approx(VISIBILITY_S, abs=VISIBILITY_S / 2)

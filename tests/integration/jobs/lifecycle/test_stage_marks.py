"""The ledger keeps, beside its members, when each was due, published and received, and the batch's stages."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.failures import Success
from jobs.core.stages import StageTimes, waits
from jobs.db.engine import engine
from jobs.db.session import transaction
from jobs.db.single_statements import SingleStatements
from jobs.models import Batch, Job, Outbox
from jobs.services.lifecycle.claim import claim, recover
from jobs.services.lifecycle.enqueue import enqueue
from jobs.services.lifecycle.settle import Verdict, settle
from jobs.services.lifecycle.settle_answers import AnsweredBatch, settle_answers
from jobs.services.relay import statements as feed
from jobs.services.relay.quick_take import take_few
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_jobs

TIMES = StageTimes(claim_s=0.25, lane_s=0.5, ran_s=2.0)


def waiting(due_ago_s: dict[Job, float]) -> None:
    for job, ago_s in due_ago_s.items():
        then = timezone.now() - timedelta(seconds=ago_s)
        Outbox.objects.filter(job=job).update(since=then, due=then)


def claimed(session: sa.Connection, jobs: list[Job], buffered_s: list[float]) -> Batch:
    row = replace(batch_row(), sealed_at=time.monotonic() - 1.0)
    envelopes = [envelope_of(job) for job in jobs]
    with transaction(session):
        given = claim(session, batch=row, envelopes=envelopes, buffered_s=buffered_s)
        found = recover(session, batch=row.id, jobs=[job.id for job in jobs])
    batch = Batch.objects.get(id=row.id)
    assert {job.sealed_ago_s for job in (*given, *found)} == {batch.sealed_ago_s}, "what the worker counts"
    return batch


def test_a_claim_keeps_when_each_member_was_due_published_and_received(session: sa.Connection) -> None:
    jobs = make_jobs(3)
    waiting({jobs[0]: 10.0, jobs[1]: 20.0, jobs[2]: 30.0})
    Outbox.objects.filter(job=jobs[0]).update(published_at=timezone.now() - timedelta(seconds=5))
    batch: Any = claimed(session, jobs, [1.0, 2.0, 3.0])
    marks = zip(batch.due_ago_s, batch.published_ago_s, batch.buffered_s, strict=True)
    by_job: dict[UUID, Any] = dict(zip(batch.members, marks, strict=True))
    near = pytest.approx
    assert by_job[jobs[0].id] == (near(10.0, abs=2.0), near(5.0, abs=2.0), 1.0)
    assert by_job[jobs[1].id] == (near(20.0, abs=2.0), None, 2.0)
    assert by_job[jobs[2].id] == (near(30.0, abs=2.0), None, 3.0)
    assert batch.sealed_ago_s == near(1.0, abs=0.9)
    due, published, buffered = by_job[jobs[0].id]
    split = waits(
        due_ago_s=due, published_ago_s=published, buffered_s=buffered, sealed_ago_s=batch.sealed_ago_s
    )
    assert sum(split) == near(due - batch.sealed_ago_s)


@pytest.mark.parametrize("look", ["fresh", "few"])
def test_each_way_of_taking_rows_notes_when_they_were_taken(session: sa.Connection, look: str) -> None:
    (job,) = make_jobs(1)
    if look == "few":
        take_few(session, job.model, since_s=0.0, held={})
    else:
        feed.take_fresh(session, job.model, rooms=dict.fromkeys(range(10), 5), most=5)
    row = Outbox.objects.get(job=job)
    assert row.published_at is not None
    assert abs(timezone.now() - row.published_at) < timedelta(seconds=5)
    with transaction(session):
        enqueue(session, {job.id: 3.0})
    assert Outbox.objects.get(job=job).published_at is None, "that publish was of an earlier wait"


def test_both_settles_keep_the_batch_s_stages(session: sa.Connection) -> None:
    one, other = make_jobs(2)
    first, second = claimed(session, [one], [0.0]), claimed(session, [other], [0.0])
    with transaction(session):
        settle(session, batch=first.id, verdicts=[Verdict(one.id, 1, Success(b"1"))], times=TIMES)
    statements = SingleStatements(engine())
    with statements.session() as connection:
        verdicts = [Verdict(other.id, 1, Success(b"1"))]
        assert settle_answers(connection, [AnsweredBatch(second.id, TIMES, verdicts)])
    statements.close()
    for batch in (first, second):
        batch.refresh_from_db()
        assert StageTimes(batch.claim_s, batch.lane_s, batch.ran_s) == TIMES
